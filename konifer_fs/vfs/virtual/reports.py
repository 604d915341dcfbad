"""What a mount tells of itself in files, `-/stats` and `-/errors` at its root. No secret is in them."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from time import time_ns
from typing import TYPE_CHECKING, Final, NamedTuple

from konifer_fs.spool import Spool
from konifer_fs.vfs.drafts import Drafts, DraftState
from konifer_fs.vfs.journal import BOUNDS, Failure, Journal

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric

_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Figure(NamedTuple):
    """One number, read when somebody asks; a name that ends in `_total` is of what is only ever added to."""

    name: str
    documentation: str
    read: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reports:
    """Writes both; `figures` are those of other parts of the mount, which add them as they are made. Thread-safe."""

    journal: Journal
    drafts: Drafts
    spool: Spool
    figures: list[Figure] = field(default_factory=list)

    def write_stats(self) -> bytes:
        """Give the figures in Prometheus' text format."""
        # It takes 0.1 s, which nobody else need pay.
        from prometheus_client import generate_latest

        return generate_latest(self.make_registry())

    def make_registry(self) -> "CollectorRegistry":
        """Give what Prometheus' library collects the figures from."""
        from prometheus_client import CollectorRegistry, ProcessCollector

        registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        return registry

    def collect(self) -> "Iterator[Metric]":
        """Give the figures, as a collector of prometheus_client does."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        operations = CounterMetricFamily(
            "konifer_fs_operations", "Operations that the kernel asked for.", labels=["operation", "errno"]
        )
        for (operation, outcome), count in sorted(self.journal.counts.items()):
            operations.add_metric([operation, outcome], count)
        yield operations
        durations = HistogramMetricFamily(
            "konifer_fs_operation_seconds", "How long operations took.", labels=["operation"]
        )
        for operation, found in sorted(self.journal.durations.items()):
            up_to = zip([*map(str, BOUNDS), "+Inf"], accumulate(found.counts), strict=True)
            durations.add_metric([operation], list(up_to), found.sum)
        yield durations
        drafts = GaugeMetricFamily("konifer_fs_drafts", "Drafts and local files.", labels=["state"])
        named = self.drafts.list_unsorted()
        counts = Counter(draft.state for draft in named)
        for state in DraftState:
            drafts.add_metric([state.value], counts[state])
        yield drafts
        pending = [draft.since_ns for draft in named if draft.state is DraftState.PENDING]
        yield GaugeMetricFamily(
            "konifer_fs_oldest_pending_seconds",
            "How long ago the oldest draft that is to be stored was begun; 0 when there is none.",
            value=max(0.0, (time_ns() - min(pending, default=time_ns())) / 1e9),
        )
        used = GaugeMetricFamily("konifer_fs_spool_bytes", "What is in the spool.", labels=["kind"])
        most = GaugeMetricFamily("konifer_fs_spool_max_bytes", "What the spool may hold.", labels=["kind"])
        for kind, allowance in (("drafts", self.spool.drafts), ("local", self.spool.local)):
            used.add_metric([kind], allowance.used)
            most.add_metric([kind], allowance.limit)
        yield used
        yield most
        for name, documentation, read in self.figures:
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(name, documentation, value=read())

    def write_errors(self) -> bytes:
        """Give a line for each failure that is kept, the oldest first: its fields, with tabs between."""
        return "".join(map(_spell, self.journal.failures)).encode()


def _spell(failure: Failure) -> str:
    time = failure.time.isoformat(timespec="milliseconds")
    fields = (time, failure.path, failure.operation, failure.errno, failure.reason)
    return "\t".join(_CONTROLS.sub(_escape, field) for field in fields) + "\n"


def _escape(control: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in control[0].encode())

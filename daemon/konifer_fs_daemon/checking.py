"""`konifer-fs fsck`, `gc` and `index`: opens the configured stores, beside mounts or without, and tells what is found.

What is checked and what is done about it is in `workflows.fsck`, `workflows.gc` and `workflows.index`.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from konifer_fs.adapters.postgres.checking import PostgresExaminer
from konifer_fs.adapters.postgres.migrate import check_database
from konifer_fs.config import Config, InMemoryStoreSettings, load
from konifer_fs.domain.errors import StoreRefused
from konifer_fs.ports import Examiner, ObjectStore
from konifer_fs.wiring import is_fresh, open_database, open_objects
from konifer_fs.workflows.fsck import Finding, Fsck
from konifer_fs.workflows.gc import collect
from konifer_fs.workflows.index import index
from konifer_fs_daemon.fsck import CLEAN, CORRECTED, FAILED, UNCORRECTED
from konifer_fs_daemon.progress import Progress


def check_stores(
    *,
    config_file: Path | None,
    data_dir: Path | None,
    in_memory: bool,
    repair: bool,
    data: bool,
    grace: timedelta,
    as_json: bool,
) -> int:
    """Check, print a line for each finding and a summary; gives the exit code.

    Raises ConfigError, KoniferFsError.
    """
    config = load(config_file, os.environ, data_dir=data_dir, in_memory=in_memory)
    before = datetime.now(UTC) - grace
    with _opened(config) as (examiner, objects), Progress("checking", lines=False) as progress:
        rows = progress.count(examiner.count_references())
        refused: list[StoreRefused] = []
        fsck = Fsck(
            examiner=examiner, objects=objects, before=before, repair=repair, data=data,
            progress=rows.advance, refused=refused.append,
        )  # fmt: skip
        findings = fsck.run(config.paths.buckets)
        corrected, left = _tell(findings, progress, as_json=as_json)
    for error in refused:
        click.echo(f"konifer-fs: {error}", err=True)
    _summarise(rows.done, corrected, left, is_whole=not refused, as_json=as_json)
    return (CORRECTED if corrected else CLEAN) + (UNCORRECTED if left else CLEAN) + (FAILED if refused else CLEAN)


def collect_garbage(
    *, config_file: Path | None, data_dir: Path | None, in_memory: bool, grace: timedelta, dry_run: bool
) -> None:
    """Remove orphaned objects, print a line for each and a summary.

    Raises ConfigError, KoniferFsError, also when all was done that the stores did not refuse.
    """
    config = load(config_file, os.environ, data_dir=data_dir, in_memory=in_memory)
    before = datetime.now(UTC) - grace
    verb = "would be removed" if dry_run else "removed"
    count = freed = 0
    refused: list[StoreRefused] = []
    with _opened(config) as (examiner, objects):
        used = examiner.list_buckets()
        for bucket in sorted(config.paths.buckets.difference(used)):
            click.echo(f"{bucket}: left alone, for no row refers to this bucket: it may be another store's", err=True)
        for ref, found in collect(examiner, objects, before, remove=not dry_run, refused=refused.append):
            click.echo(f"{ref.bucket}/{ref.key}: {verb}, {found.size} bytes of {found.modified:%Y-%m-%d %H:%M:%S} UTC")
            count += 1
            freed += found.size
    click.echo(f"{count} orphaned objects, {freed} bytes, {verb}")
    if refused:
        raise StoreRefused("; ".join(error.detail for error in refused))


def index_sizes(*, config_file: Path | None, data_dir: Path | None, in_memory: bool) -> None:
    """Record the sizes that Konifer did not, and print a summary. Raises ConfigError, KoniferFsError."""
    config = load(config_file, os.environ, data_dir=data_dir, in_memory=in_memory)
    with _opened(config) as (examiner, objects), Progress("indexing", lines=True) as progress:
        looked_for = progress.count(examiner.count_unsized())
        recorded, refused = index(examiner, objects, examiner.list_buckets(), looked_for.advance)
    missing = looked_for.done - recorded
    click.echo(f"{recorded} sizes recorded" + (f", {missing} objects are missing (konifer-fs fsck)" if missing else ""))
    if refused:
        raise refused[0]


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Examiner, ObjectStore]]:
    """Open both stores as they are; nothing is made or migrated."""
    if config.in_memory or isinstance(config.object_store, InMemoryStoreSettings):
        raise StoreRefused("what is kept in memory is seen by its own mount only")
    if is_fresh(config):
        raise StoreRefused(f"nothing is stored in {config.data_dir} yet")
    with open_database(config) as conninfo:
        check_database(conninfo)
        with (
            closing(PostgresExaminer(conninfo, deadline=config.filesystem.deadline)) as examiner,
            closing(open_objects(config, config.data_dir)) as objects,
        ):
            yield examiner, objects


def _tell(findings: Iterable[Finding], progress: Progress, *, as_json: bool) -> tuple[int, int]:
    """Print findings; gives how many were corrected, and how many are left."""
    told: Counter[bool] = Counter()
    for finding in findings:
        told[finding.corrected] += 1
        progress.clear()
        if as_json:
            line = {
                "kind": finding.kind.value, "where": finding.where, "detail": finding.detail,
                "corrected": finding.corrected,
            }  # fmt: skip
            click.echo(json.dumps(line, ensure_ascii=False))
        else:
            corrected = " (corrected)" if finding.corrected else ""
            click.echo(f"{finding.kind.value}: {finding.where}: {finding.detail}{corrected}")
    return told[True], told[False]


def _summarise(rows: int, corrected: int, left: int, *, is_whole: bool, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"rows": rows, "corrected": corrected, "left": left}))
    elif corrected or left or not is_whole:
        click.echo(f"{rows} rows compared with their objects: {corrected} findings corrected, {left} left")
    else:
        click.echo(f"{rows} rows compared with their objects: clean")

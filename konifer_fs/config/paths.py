"""Konifer's path configuration: which settings hold for what is stored at a path.

Every pattern that matches is applied, the shallow before the deep, the vague before the exact, so that the
more specific wins whatever the order in the file. Reading the patterns from the file is not here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, TypeVar

from konifer_fs.config.errors import ConfigError
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.domain.transformation import UNLIMITED, Limits, Placeholder, Request

DEFAULT_BUCKET: Final = "assets"
T = TypeVar("T")

_MOST_CACHED: Final = 4096
_VAGUENESS: Final = {"**": 0, "*": 1}
_EXACT: Final = 2
_EVERYWHERE: Final = ("**",)


class OnDemand(Enum):
    """Which variants are made for whoever asks: all, those of a profile without parameters of one's own, or none."""

    ENABLED = "enabled"
    PROFILE_ONLY = "profile_only"
    DISABLED = "disabled"


class ExpireStrategy(Enum):
    """When a variant expires: not at all, some time after it was made, or after it was last asked for."""

    NEVER = "never"
    TTL = "ttl"
    IDLE = "idle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """When variants expire; `ttl` is seconds, always there unless the strategy is NEVER, and then without effect."""

    strategy: ExpireStrategy = ExpireStrategy.NEVER
    ttl: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """What is made of an upload before it is stored, where `enabled`: the arguments of `normalise.preprocessed`."""

    enabled: bool = False
    request: Request = field(default_factory=Request)
    max_width: int | None = None
    max_height: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSettings:
    """What holds at one path; `allowed_content_types` None allows every supported one.

    `limits` are of what is written: none holds unless it is set, for Konifer's defaults would refuse what cameras take.
    `transform_limits` are of what is made of it. `eager_variants` are names of profiles.
    """

    bucket: str = DEFAULT_BUCKET
    allowed_content_types: frozenset[str] | None = None
    limits: Limits = UNLIMITED
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    placeholders: frozenset[Placeholder] = frozenset()
    eager_variants: tuple[str, ...] = ()
    on_demand: OnDemand = OnDemand.ENABLED
    expire: Expire = field(default_factory=Expire)
    transform_limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRule:
    """The block of one pattern: its lower-cased segments, and the fields of PathSettings that it sets.

    For a field that is a dataclass, `changes` hold a mapping of the fields of it that are set.
    """

    segments: tuple[str, ...]
    changes: Mapping[str, Any]

    @classmethod
    def from_pattern(cls, pattern: str, changes: Mapping[str, Any]) -> "PathRule":
        """Read a pattern such as `/users/*/photos/**`; slashes at its ends or doubled mean nothing."""
        return cls(segments=tuple(segment for segment in pattern.lower().split("/") if segment), changes=changes)

    @property
    def precedence(self) -> tuple[int, tuple[int, ...]]:
        """Order among the rules that match a path: the defaults `/**`, then by depth, then by exactness."""
        if self.segments == _EVERYWHERE:
            return (-1, ())
        return (len(self.segments), tuple(_VAGUENESS.get(segment, _EXACT) for segment in self.segments))


@dataclass(frozen=True, slots=True)
class PathRules:
    """All rules of a configuration; may be asked from any thread.

    `doubts` are of patterns that can match nothing: they are not raised, for Konifer takes such a file.
    """

    rules: tuple[PathRule, ...] = ()
    doubts: tuple[ConfigError, ...] = ()
    _known: dict[AssetPath, PathSettings] = field(default_factory=dict, init=False, repr=False, compare=False)

    def settings_for(self, path: AssetPath) -> PathSettings:
        """Give what holds at `path`; letters match in either case."""
        known = self._known.get(path)
        if known is None:
            if len(self._known) >= _MOST_CACHED:
                self._known.clear()
            labels = tuple(label.lower() for label in path.labels)
            known = self._known[path] = _fold(rule for rule in self.rules if _matches(rule.segments, labels))
        return known

    @property
    def buckets(self) -> frozenset[str]:
        """Every bucket that something may be stored in."""
        defaults = _fold(rule for rule in self.rules if rule.segments == _EVERYWHERE)
        return frozenset({defaults.bucket, *(rule.changes.get("bucket", defaults.bucket) for rule in self.rules)})


def spell_stored(pattern: str) -> str:
    """Give a pattern with the names in it as directories of these names are stored; one that can match is the same."""
    segments = pattern.encode(errors="replace").decode().split("/")
    return "/".join(it if it in _VAGUENESS else next(iter(candidate_labels(it)), it) for it in segments)


def _fold(rules: Iterable[PathRule]) -> PathSettings:
    settings = PathSettings()
    for rule in sorted(rules, key=lambda rule: rule.precedence):
        settings = _changed(settings, rule.changes)
    return settings


def _changed(settings: T, changes: Mapping[str, Any]) -> T:
    """Give a dataclass with `changes` in it, and in the dataclasses that it holds."""
    fields = {
        name: _changed(getattr(settings, name), value) if isinstance(value, Mapping) else value
        for name, value in changes.items()
    }
    return replace(settings, **fields)  # type: ignore[type-var]


def _matches(pattern: tuple[str, ...], labels: tuple[str, ...]) -> bool:
    """Whether `pattern` matches all of `labels`: `*` any one of them, `**` any number.

    `ends` holds how many labels the pattern read so far can have taken, so that many `**` cost no backtracking.
    """
    ends = {0}
    for segment in pattern:
        if segment == "**":
            ends = set(range(min(ends), len(labels) + 1))
        else:
            ends = {end + 1 for end in ends if end < len(labels) and segment in {"*", labels[end]}}
        if not ends:
            return False
    return len(labels) in ends

"""What others changed in the tree, as far as it matters to who remembers answers."""

from dataclasses import dataclass

from konifer_fs.domain.path import AssetPath


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeChanged:
    """The node `id` came, went or changed; it was or is `name` in the directory `parent`, or has no name."""

    id: int
    parent: int | None
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetChanged:
    """The asset, whose inode number is `id`, came to `path`, left it, or changed there."""

    id: int
    path: AssetPath


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtreeChanged:
    """Anything at and below `path` may have changed."""

    path: AssetPath


Change = NodeChanged | AssetChanged | SubtreeChanged

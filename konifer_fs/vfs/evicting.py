"""Freeing local disk: contents that came from afar and are kept for later go, and are fetched again when read."""

from collections.abc import Iterator
from dataclasses import dataclass

from konifer_fs.domain.errors import MovedOn
from konifer_fs.domain.node import Directory, Entry
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.nodes import Node
from konifer_fs.vfs.tree import Tree
from konifer_fs.workflows.fetch_content import Contents


@dataclass(slots=True, kw_only=True)
class Evicted:
    """How far it has come, in entries, and the bytes that are free now; read by another thread meanwhile."""

    total: int = 0
    done: int = 0
    freed: int = 0


class Evictions:
    """Evicts what a mount shows. Thread-safe."""

    def __init__(self, tree: Tree, metadata: MetadataStore, contents: Contents) -> None:
        self._tree = tree
        self._metadata = metadata
        self._contents = contents

    def evict(self, node: Node, evicted: Evicted) -> None:
        """Keep neither originals nor variants of the entry `node`, or of all below the directory; raises MovedOn."""
        evicted.total = self._metadata.count_files(node) if isinstance(node, Directory) else 1
        for entry in self._entries(node):
            try:
                variants = self._metadata.list_variants(entry)
            except MovedOn:  # Who replaced or removed it has nothing of the old one kept.
                variants = ()
            evicted.freed += sum(self._contents.evict(variant.ref) for variant in variants)
            evicted.done += 1

    def _entries(self, node: Node) -> Iterator[Entry]:
        if isinstance(node, Entry):
            yield node
        elif isinstance(node, Directory):
            for page in self._tree.list_children(node):
                for _, child in page:
                    yield from self._entries(child)

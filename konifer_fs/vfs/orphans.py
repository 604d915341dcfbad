"""Files that lose their names while somebody has them open: they keep what is said of them, and can be changed."""

from konifer_fs.domain.node import Entry
from konifer_fs.ports import MetadataStore
from konifer_fs.vfs.drafts import Draft, Drafts
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.nodes import Node


class Orphans:
    """Takes care of them. Thread-safe."""

    def __init__(self, metadata: MetadataStore, drafts: Drafts, files: Files) -> None:
        self._metadata = metadata
        self._drafts = drafts
        self._files = files

    def foresee(self, node: Node) -> None:
        """Keep what is said of an open file that is about to lose its name here: the store forgets it."""
        draft = node if isinstance(node, Draft) else self._drafts.find_by_id(node.id)
        entry = draft.base if draft else node
        if not isinstance(entry, Entry) or (draft and draft.name is None):
            return
        current = self._metadata.refresh(entry)
        if isinstance(current, Entry):
            described = self._metadata.read_facts(current).annotations
            self._files.opened.keep_said(current, described)
            if draft is not None:
                draft.described = described

    def adopt(self, node: Node) -> Draft:
        """Give the draft of a file that is gone, but open here: one without a name; raises MovedOn unless it is."""
        return self._files.draft_for(self._files.opened.find(node.id))

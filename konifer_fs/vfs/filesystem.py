"""The mounted tree in one piece: what `fuse` and the daemon are given."""

import logging
from collections.abc import Iterator
from typing import Final

from konifer_fs.domain.errors import KoniferFsError, NoSuchName, ReadOnly
from konifer_fs.domain.node import Directory
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import ImageEngine, MetadataStore, ObjectStore, Space
from konifer_fs.spool import Spool
from konifer_fs.spool.cache import Cache
from konifer_fs.vfs.bases import Bases
from konifer_fs.vfs.commits import Commits
from konifer_fs.vfs.drafts import Draft, Drafts, DraftState
from konifer_fs.vfs.edits import Edits
from konifer_fs.vfs.evicting import Evicted, Evictions
from konifer_fs.vfs.files import Files
from konifer_fs.vfs.journal import Journal
from konifer_fs.vfs.latecomers import Latecomers
from konifer_fs.vfs.listing import AnyListing, Listing
from konifer_fs.vfs.moves import Moves
from konifer_fs.vfs.nodes import AnyDirectory, Node
from konifer_fs.vfs.orphans import Orphans
from konifer_fs.vfs.recorded import RecordedListing
from konifer_fs.vfs.restoring import Restoring
from konifer_fs.vfs.retrying import Retries
from konifer_fs.vfs.settings import Settings
from konifer_fs.vfs.shown import ShownNames, spell_place
from konifer_fs.vfs.sizes import Sizes
from konifer_fs.vfs.tree import VARIANTS, Tree
from konifer_fs.vfs.virtual.nodes import StreamedNames, VirtualNode
from konifer_fs.vfs.virtual.reports import Figure, Reports
from konifer_fs.vfs.virtual.selectors import Selectors
from konifer_fs.vfs.virtual.site import Sources
from konifer_fs.vfs.virtual.thumbnails import Thumbnails
from konifer_fs.vfs.virtual.variants import Variants
from konifer_fs.vfs.waiting import Waiting
from konifer_fs.vfs.xattrs import Xattrs
from konifer_fs.workflows.fetch_content import Contents, Traffic
from konifer_fs.workflows.note_accesses import Accesses
from konifer_fs.workflows.render_variant import Renderer
from konifer_fs.workflows.renderings import Renderings
from konifer_fs.workflows.workshop import Workshop

log = logging.getLogger(__name__)

PEBIBYTE: Final = 1 << 50


class FileSystem:
    """One mount's tree, from `root` down. Every method blocks and is thread-safe."""

    def __init__(
        self,
        metadata: MetadataStore,
        objects: ObjectStore,
        engine: ImageEngine,
        spool: Spool,
        settings: Settings,
        root: Directory,
        cache: Cache | None = None,
    ) -> None:
        self.root: Final = root
        self._objects = objects
        self._settings = settings
        self._spool = spool
        self._drafts = Drafts()
        self._contents = Contents(objects, spool, cache)
        waiting = Waiting()
        commits = Commits(metadata, objects, engine, spool, settings, waiting)
        sizes = Sizes(metadata, objects, read_only=settings.read_only)
        self._accesses = Accesses(metadata)
        renderer = Renderer(metadata, objects, engine, self._contents, spool)
        self._workshop = Workshop(renderer, _renderings(settings), spool, read_only=settings.read_only)
        variants = Variants(
            metadata=metadata,
            contents=self._contents,
            sizes=sizes,
            workshop=self._workshop,
            settings=settings,
            accesses=self._accesses,
        )
        self.journal: Final = Journal()
        self.reports: Final = Reports(journal=self.journal, drafts=self._drafts, spool=spool)
        self.reports.figures.append(
            Figure("konifer_fs_renderings_total", "Variants that were rendered.", lambda: self.renderings)
        )
        self.reports.figures.extend(_figures_of_contents(self._contents.traffic, cache))
        shown = ShownNames(metadata)
        selectors = Selectors(
            Sources(
                metadata=metadata,
                shown=shown,
                drafts=self._drafts,
                defaults=settings.defaults,
                spool=spool,
                root=root,
                reports={"stats": self.reports.write_stats, "errors": self.reports.write_errors},
            )
        )
        self.tree: Final = Tree(
            metadata,
            self._drafts,
            settings.defaults,
            sizes,
            variants,
            selectors,
            Thumbnails(variants=variants, metadata=metadata, shown=shown),
            shown,
            show_virtual=settings.show_virtual,
        )
        self.files: Final = Files(
            metadata, self._contents, spool, self._drafts, commits, settings, variants.prepare_eager
        )
        self.orphans: Final = Orphans(metadata, self._drafts, self.files)
        self.latecomers: Final = Latecomers(metadata, self._drafts)
        self._restoring = Restoring(
            spool, self._drafts, commits, waiting, self.latecomers, Bases(metadata, self._drafts)
        )
        self.retries: Final = Retries(commits, self.files, self._drafts, waiting, self.latecomers)
        self.edits: Final = Edits(metadata, self.tree, self.files, self._drafts, commits)
        self.moves: Final = Moves(metadata, self.tree, self.files, self._drafts, commits, spool)
        self.xattrs: Final = Xattrs(metadata, commits)
        self._evictions = Evictions(self.tree, metadata, self._contents)

    def list_directory(self, directory: AnyDirectory) -> AnyListing:
        """Begin to read a directory."""
        if isinstance(directory, Directory):
            return Listing(self.tree, directory, self.tree.list_children(directory))
        names = directory.names
        if isinstance(names, StreamedNames):
            return RecordedListing(self._spool, names)
        return Listing(self.tree, directory, names.list_all())

    def restore(self) -> None:
        """Bring back the drafts that an earlier mount left in the spool, and begin to store what is pending."""
        self._restoring.restore()
        self.retries.start()

    def space(self) -> Space:
        """Give the configured capacity, else what the store knows, else 1 PiB."""
        if (capacity := self._settings.capacity) is not None:
            return Space(capacity, capacity, capacity)
        return self._objects.free_space() or Space(PEBIBYTE, PEBIBYTE, PEBIBYTE)

    def in_use(self, ref: ObjectRef) -> bool:
        """Whether an object is open here, so that it must not be deleted yet."""
        return self._contents.in_use(ref)

    @property
    def renderings(self) -> int:
        """How many variants this mount has rendered."""
        return self._workshop.count

    def list_drafts(self) -> list[Draft]:
        """Give all drafts and local files of this mount, by path and name."""
        return self._drafts.list_all()

    def place_of(self, draft: Draft) -> str:
        """Give where a draft is seen from the mount's root, for people."""
        return spell_place(draft, self.root.path)

    def note_moved(self, path: AssetPath) -> None:
        """Note that others may have renamed the directory at a path, or one above; asks no store."""
        self._drafts.doubt_within(path)

    def drop_draft(self, place: str) -> None:
        """Remove the draft that is seen at `place`, as `place_of` gives it; the entry under it is seen again.

        Raises:
            NoSuchName: there is none.
            NameTaken: it is open.
        """
        draft = next((draft for draft in self.list_drafts() if self.place_of(draft) == place), None)
        if draft is None or draft.state is DraftState.STORED:
            raise NoSuchName(f"{place} is no draft")
        self.edits.drop_draft(draft)

    def evict(self, place: str, evicted: Evicted) -> None:
        """Keep no contents of what is seen at `place`, and below it, on local disk; for variants, of their picture.

        Raises:
            NoSuchName, MovedOn: it is not there.
            ReadOnly: it is made up of other files.
        """
        node: Node = self.root
        for name in place.strip("/").split("/") if place.strip("/") else ():
            if not isinstance(node, AnyDirectory):
                raise NoSuchName(place)
            above, node = node, self.tree.lookup(node, name)
            if isinstance(node, VirtualNode):
                if not name.endswith(VARIANTS):
                    raise ReadOnly(f"{place} is made up of other files, which can be evicted by their own names")
                node = self.tree.lookup(above, name.removesuffix(VARIANTS))
                break
        self._evictions.evict(node, evicted)

    def catch_up(self) -> None:
        """Tell the metadata store which variants were made and opened; raises StoreUnreachable."""
        self._workshop.settle()
        self._accesses.tell()

    def close(self) -> None:
        """Store and render nothing more, wait for what is being rendered, and catch up."""
        self._contents.close()
        self.retries.close()
        self._workshop.close()
        if not self._settings.read_only:
            try:
                self.catch_up()
            except KoniferFsError as error:
                log.warning("which variants were made and opened last is not known to others: %s", error)


def _figures_of_contents(traffic: Traffic, cache: Cache | None) -> Iterator[Figure]:
    yield Figure("konifer_fs_cache_hits_total", "Objects that were opened and found kept.", lambda: traffic.hits)
    yield Figure("konifer_fs_cache_misses_total", "Objects that were opened and not kept.", lambda: traffic.misses)
    yield Figure("konifer_fs_fetched_bytes_total", "What was read from the store.", lambda: traffic.fetched_bytes)
    if cache is not None:
        yield Figure("konifer_fs_cache_bytes", "What the cache of contents takes of its disk.", lambda: cache.used)
        yield Figure("konifer_fs_cache_max_bytes", "What the cache may take of its disk.", lambda: cache.max_bytes)


def _renderings(settings: Settings) -> Renderings:
    """Give twice as many threads as there are renderers: one may store while the next renders."""
    own = settings.generation
    return Renderings(workers=2 * own.workers, priority=own.synchronous_priority, queue_size=own.queue_size)

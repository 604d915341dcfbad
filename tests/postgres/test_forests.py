"""The tree as it is read, against brute force on random forests made by SQL, as others make them."""

import random
from collections.abc import Sequence
from uuid import UUID

import pytest
from psycopg import Connection

from konifer_fs.adapters.postgres import reading
from konifer_fs.domain.node import ROOT_ID, Directory, Entry, Node, Symlink
from konifer_fs.domain.path import AssetPath, candidate_labels
from konifer_fs.ports import BytesBelow
from tests.postgres import trees
from tests.postgres.looking import at, list_all, list_pages

LABELS = ("-", "0", "A", "_", "a", "z", "a-", "a0", "aa", "zz", "b__20c")
NAMES = ("a", "z", "photo.jpg", "0.jpeg", "1.jpeg", "b c", "-a", "Z")


def test_after_is_the_end_of_a_subtree_in_ltree_order(connection: Connection) -> None:
    rng = random.Random(1)
    long = ["z" * 1000, "z" * 999 + "y", "-" * 1000, "a" + "z" * 999, "Z" * 1000, "9" * 999 + "z"]
    paths: set[tuple[str, ...]] = {(rng.choice(long),) for _ in range(20)} | {
        (rng.choice(long), rng.choice(LABELS)) for _ in range(40)
    }
    while len(paths) < 3000:
        paths.add(tuple(rng.choice(LABELS) for _ in range(rng.randint(1, 6))))
    connection.execute("CREATE TEMP TABLE sample (path ltree)")
    ordered = sorted(paths, key=lambda labels: [label.encode() for label in labels])
    texts = [".".join(("root", *labels)) for labels in ordered]
    connection.execute("INSERT INTO sample SELECT unnest(%s::text[])::ltree", [rng.sample(texts, len(texts))])
    found = connection.execute("SELECT s.path::text FROM sample s ORDER BY s.path").fetchall()
    assert [text for (text,) in found] == texts
    for labels in [(), *rng.sample(ordered, 150), *((label,) for label in long)]:
        top = ".".join(("root", *labels))
        below = connection.execute(
            "SELECT s.path::text FROM sample s WHERE path >= %(p)s AND path < konifer_fs.after(%(p)s) ORDER BY s.path",
            {"p": top},
        ).fetchall()
        assert [text for (text,) in below] == [text for text in texts if text == top or text.startswith(f"{top}.")]


class Forest:
    """A random tree, in the database and as plain Python."""

    def __init__(self, connection: Connection, seed: int) -> None:
        self.connection = connection
        self.rng = random.Random(seed)
        self.ready: dict[AssetPath, list[UUID]] = {}
        self.made: set[AssetPath] = {AssetPath()}
        self.names: dict[UUID, tuple[AssetPath, str]] = {}
        self.links: dict[tuple[AssetPath, str], int] = {}
        self.upload(150)
        for path in [*self.ready, *(self.any_path() for _ in range(60))]:
            if self.rng.random() < 0.7:
                trees.add_directory(connection, path.ltree)
                self.made.update(path.ancestors())
        for path, asset in [(path, asset) for path, assets in self.ready.items() for asset in assets]:
            if self.rng.random() < 0.7:
                self.name(asset, path)
        for _ in range(40):
            self.link()
        self.upload(100)

    def any_path(self) -> AssetPath:
        return AssetPath(tuple(self.rng.choice(LABELS) for _ in range(self.rng.randint(0, 4))))

    def upload(self, count: int) -> None:
        """Add assets as another writer does, who does not look whether a name is a file's or symlink's."""
        for _ in range(count):
            path = self.any_path()
            if self.rng.random() < 0.3:
                trees.add_asset(self.connection, path.ltree, ready=False)
            else:
                asset = trees.add_asset(self.connection, path.ltree, original=self.rng.random() < 0.9)
                self.ready.setdefault(path, []).append(asset)

    def name(self, asset: UUID, path: AssetPath) -> None:
        """Name an asset where it is, or now and then (as after a foreign UPDATE of its path) somewhere else."""
        if path not in self.made or self.rng.random() < 0.1:
            path = self.any_made()
        name = self.rng.choice(NAMES)
        if not self.is_taken(path, name):
            trees.name_asset(self.connection, self.node_id(path), name, asset)
            self.names[asset] = (path, name)

    def link(self) -> None:
        path, name = self.any_made(), self.rng.choice(NAMES)
        if not self.is_taken(path, name):
            self.links[path, name] = trees.add_symlink(self.connection, self.node_id(path), name, "a")

    def any_made(self) -> AssetPath:
        return self.rng.choice(sorted(self.made, key=lambda path: path.labels))

    def node_id(self, path: AssetPath) -> int:
        return trees.add_directory(self.connection, path.ltree)

    def is_taken(self, path: AssetPath, name: str) -> bool:
        row = self.connection.execute(
            "SELECT FROM konifer_fs.node WHERE parent = %s AND name = %s", [self.node_id(path), name]
        )
        return row.fetchone() is not None

    def labels_in(self, path: AssetPath) -> list[str]:
        everything = [*self.ready, *self.made]
        depth = len(path.labels)
        below = {other.labels[depth] for other in everything if other.is_within(path) and other != path}
        return sorted(below, key=str.encode)

    def expected(self, path: AssetPath) -> list[object]:
        labels = self.labels_in(path)

        def free(name: str) -> bool:
            return not set(candidate_labels(name)) & set(labels)

        entries = []
        for asset in self.ready.get(path, []):
            where, name = self.names.get(asset, (None, ""))
            entries.append((asset, name if where == path and free(name) else None))
        links = sorted(name for where, name in self.links if where == path and free(name))
        return [*labels, *entries, *links]


def shape(nodes: Sequence[Node]) -> list[object]:
    """Give what `Forest.expected` gives."""
    shapes: list[object] = []
    for node in nodes:
        match node:
            case Directory():
                shapes.append(node.path.label)
            case Entry():
                shapes.append((node.asset_id, node.name))
            case Symlink():
                shapes.append(node.name)
    return shapes


@pytest.mark.parametrize("seed", range(3))
def test_children_and_lookups_are_those_of_brute_force(connection: Connection, seed: int) -> None:
    forest = Forest(connection, seed)
    paths = {prefix for path in (*forest.ready, *forest.made) for prefix in path.ancestors()}
    for path in sorted(paths, key=lambda path: path.labels):
        parent = at(connection, path.ltree)
        nodes = list_all(connection, parent)
        assert shape(nodes) == forest.expected(path)
        assert list_all(connection, parent, page=forest.rng.choice((1, 2, 7))) == nodes
        names = {shown(node): node for node in nodes if not isinstance(node, Entry) or node.name}
        for name in {*NAMES, *LABELS, *names}:
            found = reading.find_child(connection, parent, name)
            if name in names or found is None:
                assert found == names.get(name)
            elif isinstance(found, Entry):
                assert found.default_name == name
                assert found in nodes
            else:
                assert found in nodes
                assert found.path.label in candidate_labels(name)
        assert reading.find_taken(connection, parent, [*names, "nobody"]) == frozenset(names)
    assert reading.find_directory(connection, AssetPath(("no", "where"))) is None


def shown(node: Node) -> str:
    return node.path.label if isinstance(node, Directory) else node.name or ""


def test_reading_a_node_again_gives_the_same(connection: Connection) -> None:
    forest = Forest(connection, 7)
    for path in list(forest.ready)[:30]:
        parent = at(connection, path.ltree)
        labels = set(forest.labels_in(path))
        for node in (parent, *list_all(connection, parent)):
            again = reading.refresh(connection, node)
            if (
                isinstance(node, Entry)
                and isinstance(again, Entry)
                and set(candidate_labels(again.name or "")) & labels
            ):
                again = again._replace(name=None)
            assert again == node


def test_sums_are_those_of_brute_force(connection: Connection) -> None:
    forest = Forest(connection, 9)
    sized = [asset for assets in forest.ready.values() for asset in assets if asset in forest.names][::2]
    connection.execute("UPDATE konifer_fs.node SET size = 1000 WHERE asset_id = ANY(%s)", [sized])
    places = {asset: path for path, assets in forest.ready.items() for asset in assets}
    everything = {prefix for path in (*forest.ready, *forest.made) for prefix in path.ancestors()}
    for path in [AssetPath(), *list(forest.ready)[:20]]:
        directory = at(connection, path.ltree)
        below = [asset for asset, place in places.items() if place.is_within(path)]
        known = len(set(below) & set(sized))
        directories = sum(1 for other in everything if other.is_within(path) and other != path)
        assert reading.count_files(connection, directory) == len(below)
        links = sum(1 for place, _ in forest.links if place.is_within(path))
        assert reading.count_entries(connection, directory) == len(below) + directories + links
        assert reading.sum_bytes(connection, directory) == BytesBelow(known=known * 1000, unknown=len(below) - known)


def test_a_pages_end_never_hides_what_follows(connection: Connection) -> None:
    for label in ("a", "b"):
        trees.add_asset(connection, f"root.{label}")
    trees.add_asset(connection, "root")
    trees.add_symlink(connection, ROOT_ID, "l", "a")
    root = at(connection, "root")
    for page in range(1, 6):
        pages = list_pages(connection, root, page)
        assert [len(nodes) for nodes in pages[:-1]] == [page] * (len(pages) - 1)
        assert [shown(node) for nodes in pages for node in nodes] == ["a", "b", "", "l"]

"""Reading by hand what a mount would ask for. For the tests of reading beside it."""

from collections.abc import Sequence

from psycopg import Connection

from konifer_fs.adapters.postgres import reading
from konifer_fs.domain.node import Directory, Entry, Node
from konifer_fs.domain.path import AssetPath


def at(connection: Connection, path: str) -> Directory:
    found = reading.find_directory(connection, AssetPath.from_ltree(path))
    assert found is not None
    return found


def list_all(connection: Connection, parent: Directory, page: int = reading.PAGE) -> list[Node]:
    return [node for nodes in list_pages(connection, parent, page) for node in nodes]


def list_pages(connection: Connection, parent: Directory, page: int) -> list[Sequence[Node]]:
    pages = reading.list_pages(lambda after: reading.list_page(connection, parent, after, page), page)
    return list(reading.list_children(pages, parent))


def child(connection: Connection, path: str, name: str) -> Node:
    found = reading.find_child(connection, at(connection, path), name)
    assert found is not None
    return found


def entry(connection: Connection, path: str, name: str) -> Entry:
    found = child(connection, path, name)
    assert isinstance(found, Entry)
    return found

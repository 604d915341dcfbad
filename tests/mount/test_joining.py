"""A Konifer's database that is joined, by roles that may do no more than docs/OPERATING.md grants them."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.adapters.postgres.privileges import list_missing_privileges
from tests.mount.elsewhere import add_entry, names, query, remove_entry, rows_below, wait_until
from tests.mount.mounting import Mount, MountFactory, make_factory
from tests.mount.variants import OTHER, PICTURE, of
from tests.postgres.konifers import make_konifer
from tests.servers import S3Server

OPERATING: Final = Path(__file__).parents[2] / "docs" / "OPERATING.md"
JOINED: Final = pytest.mark.semantics("A Konifer's database is joined without a change of its tables")
ROLES: Final = ("konifer_fs_migrate", "konifer_fs_ro", "konifer_fs")
FORBIDDEN: Final = (
    "TRUNCATE asset_tree CASCADE",
    "DROP TABLE outbox",
    "CREATE TABLE public.mine ()",
    "CREATE TABLE konifer_fs.mine ()",
    "UPDATE asset_variant SET object_store_key = ''",
    "UPDATE outbox SET payload = NULL",
    "DELETE FROM path_entry_counter",
    "DELETE FROM konifer_fs.migration",
    "SELECT pg_read_file('/etc/passwd')",
)


class Site(NamedTuple):
    """A joined database: where each role gets in, and mounts by the role for it."""

    conninfo: Mapping[str, str]
    mounted: MountFactory
    mounted_ro: MountFactory


def grants() -> list[str]:
    """Give the blocks of SQL of the page for operators."""
    return re.findall(r"^```sql\n(.*?)^```", OPERATING.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def site(fuse: Path, database: str, tmp_path: Path, s3_server: Mapping[str, S3Server]) -> Iterator[Site]:
    own = str(conninfo_to_dict(database)["dbname"])
    role_of = {role: f"{role}_{own}" for role in ROLES}

    def spelled(text: str) -> str:
        text = text.replace("DATABASE konifer ", f"DATABASE {own} ")
        return re.sub(r"(?<=[ ,])(konifer_fs(?:_migrate|_ro)?)(?=[,;\n])", lambda role: role_of[role[1]], text)

    before, after = grants()
    conninfo = {role: make_conninfo(database, user=name) for role, name in role_of.items()}
    with psycopg.connect(database, autocommit=True) as owner:
        make_konifer(owner)
        for name in role_of.values():
            owner.execute(f"CREATE ROLE {name} LOGIN".encode())
        try:
            owner.execute(spelled(before).encode())
            migrate_database(conninfo["konifer_fs_migrate"], join=True)
            with psycopg.connect(conninfo["konifer_fs_migrate"], autocommit=True) as migrator:
                migrator.execute(spelled(after).encode())
            with ExitStack() as stack:
                mounted, mounted_ro = [
                    stack.enter_context(make_factory(conninfo[role], place, fuse, s3_server))
                    for role, place in (("konifer_fs", tmp_path / "rw"), ("konifer_fs_ro", tmp_path / "ro"))
                ]
                yield Site(conninfo, mounted, mounted_ro)
        finally:
            for name in role_of.values():
                owner.execute(f"DROP OWNED BY {name} CASCADE".encode())
                owner.execute(f"DROP ROLE {name}".encode())


def use(mount: Mount) -> Path:
    """Do on a mount what users do; gives the directory that is left."""
    place = mount.path / "Summer 2026"
    place.mkdir()
    photo = place / "photo.png"
    photo.write_bytes(PICTURE)
    photo.write_bytes(OTHER)
    photo.chmod(0o600)
    os.setxattr(photo, "user.team", b"red")
    os.setxattr(photo, "user.team", b"blue")
    os.setxattr(photo, "user.xdg.tags", b"hill,dawn")
    os.setxattr(photo, "user.xdg.comment", b"a hill")
    os.setxattr(place, "user.private", b"\0")
    assert of(photo, "w=8.webp").read_bytes()
    (place / "link").symlink_to("photo.png")
    photo.rename(place / "moved.png")
    place.rename(mount.path / "album")
    place = mount.path / "album"
    (place / "below").mkdir()
    for name in ("a.png", "b.png"):
        (place / "below" / name).write_bytes(PICTURE)
    (place / "below" / "a.png").replace(place / "below" / "b.png")
    (place / "below" / "b.png").unlink()
    (place / "below").rmdir()
    return place


@JOINED
def test_each_role_can_do_its_work_and_no_more(site: Site) -> None:
    mount = site.mounted()
    place = use(mount)
    assert names(place) == ["link", "moved.png"]
    wait_until(lambda: query(mount, "SELECT count(*) FROM outbox") == [(0,)], seconds=90)
    reading = site.mounted_ro(options="ro", config=f'object-store.filesystem.mount-path = "{mount.objects.parent}"')
    there = reading.path / "album" / "moved.png"
    assert there.read_bytes() == OTHER
    assert os.getxattr(there, "user.team") == b"blue"
    assert names(reading.path / "album") == ["link", "moved.png"]
    with pytest.raises(OSError, match="Read-only"):
        there.unlink()
    assert list_missing_privileges(site.conninfo["konifer_fs"]) == []
    lacking = list_missing_privileges(site.conninfo["konifer_fs_ro"])
    assert {"INSERT ON asset_tree", "UPDATE ON konifer_fs.node", "DELETE ON outbox"} < set(lacking)
    assert not {"SELECT ON asset_tree", "SELECT ON konifer_fs.node"} & set(lacking)
    for role in ("konifer_fs", "konifer_fs_ro"):
        with psycopg.connect(site.conninfo[role], autocommit=True) as session:
            for statement in FORBIDDEN:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    session.execute(statement.encode())
    with psycopg.connect(site.conninfo["konifer_fs_ro"], autocommit=True) as session:
        for table in ("asset_tree", "konifer_fs.node", "outbox"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(f"DELETE FROM {table}".encode())


@JOINED
def test_a_konifer_beside_it_needs_no_right_of_ours(site: Site, database: str) -> None:
    mount = site.mounted()
    left = migrate_database(site.conninfo["konifer_fs_migrate"], triggers=True).left
    assert [statement.split()[:2] for statement in left] == [["CREATE", "TRIGGER"]] * 3 + [["CREATE", "INDEX"]] * 2
    service = f"service_{conninfo_to_dict(database)['dbname']}"
    with psycopg.connect(database, autocommit=True) as owner:
        for statement in left:
            owner.execute(statement.encode())
        owner.execute(f"CREATE ROLE {service} LOGIN".encode())
        try:
            owner.execute(f"GRANT CONNECT ON DATABASE {conninfo_to_dict(database)['dbname']} TO {service}".encode())
            owner.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {service}".encode())
            place = use(mount)
            mount.remount()
            konifer = replace(mount, conninfo=make_conninfo(database, user=service))
            add_entry(konifer, "root.album", None)
            wait_until(lambda: len(names(place)) == 3)
            for row in rows_below(konifer, place):
                remove_entry(konifer, row)
            wait_until(lambda: names(place) == ["link"])
            assert query(mount, "SELECT count(*) FROM konifer_fs.node WHERE asset_id IS NOT NULL") == [(0,)]
        finally:
            owner.execute(f"DROP OWNED BY {service} CASCADE".encode())
            owner.execute(f"DROP ROLE {service}".encode())

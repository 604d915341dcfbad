"""A Konifer's database that is not joined, mounted with `-o ro` by a role of the grants of docs/OPERATING.md."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from konifer_fs.adapters.postgres.migrate import migrate_database
from tests.mount.elsewhere import add_entry, all_fail, names, query, remove_entry, wait_until
from tests.mount.mounting import SECONDS, CommandFailed, Mount, MountFactory, konifer_fs, make_factory
from tests.mount.test_dialects import FORMATS, store_as_konifer
from tests.mount.test_joining import grants
from tests.mount.variants import OTHER, PICTURE, described, of
from tests.postgres.konifers import MORE, VERSIONS, make_konifer
from tests.postgres.trees import add_asset
from tests.servers import S3Server

UNJOINED: Final = pytest.mark.semantics("A Konifer's database that is not joined can be mounted with `-o ro`")
ROLE: Final = "konifer_fs_ro"
# All that there is in a database, temporary things too.
CATALOG: Final = """
SELECT 'schema', oid::text, nspname FROM pg_namespace UNION ALL
SELECT 'relation', oid::text, relname FROM pg_class UNION ALL
SELECT 'function', oid::text, proname FROM pg_proc UNION ALL
SELECT 'asset', xmin::text, id::text FROM asset_tree UNION ALL
SELECT 'variant', xmin::text, id::text FROM asset_variant
 ORDER BY 1, 2, 3
"""


class Site(NamedTuple):
    """A Konifer's database of some dialect, by its owner, and mounts by the role that may only read."""

    dialect: str
    owner: str
    mounted: MountFactory
    objects: Path


@pytest.fixture(params=VERSIONS)
def site(
    request: pytest.FixtureRequest, fuse: Path, database: str, tmp_path: Path, s3_server: Mapping[str, S3Server]
) -> Iterator[Site]:
    own = str(conninfo_to_dict(database)["dbname"])
    role = f"{ROLE}_{own}"
    allowed = [
        statement.replace("DATABASE konifer ", f"DATABASE {own} ").replace(ROLE, role)
        for statement in re.findall(r"^[^-].*?;", grants()[0], re.MULTILINE)
        if statement.startswith("REVOKE ") or statement.endswith(f" TO {ROLE};")
    ]
    assert len(allowed) == 3
    with psycopg.connect(database, autocommit=True) as session:
        make_konifer(session, VERSIONS[request.param])
        session.execute(f"CREATE ROLE {role} LOGIN".encode())
        try:
            for statement in (*allowed, f"ALTER ROLE {role} SET default_transaction_read_only = on"):
                session.execute(statement.encode())
            with make_factory(make_conninfo(database, user=role), tmp_path, fuse, s3_server) as mounted:
                yield Site(str(request.param), database, mounted, tmp_path / "objects" / "assets")
        finally:
            session.execute(f"DROP OWNED BY {role} CASCADE".encode())
            session.execute(f"DROP ROLE {role}".encode())


def run(*words: str | Path) -> list[str]:
    """Run a program; gives its lines, sorted."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=SECONDS, check=True)
    return sorted(done.stdout.splitlines())


def shown(path: Path) -> tuple[float, ...]:
    """Give what stat(2) tells, in whole seconds, but for the device, which is another of each mount."""
    found = tuple(path.stat())
    return found[:2] + found[3:]


def by_owner(mount: Mount, site: Site) -> Mount:
    """Give the mount as of who may change its database."""
    return replace(mount, conninfo=site.owner)


@UNJOINED
def test_who_may_only_read_has_all_that_is_stored(site: Site, tmp_path: Path) -> None:
    variant = store_as_konifer(site.owner, site.objects, site.dialect)
    with psycopg.connect(site.owner, autocommit=True) as session:
        attributes = {"width": 48, "height": 32, "format": FORMATS[site.dialect], **MORE[site.dialect]}
        labels, tags = {"team": "red"}, ("hill", "dawn")
        add_asset(session, "root.Summer__202026.b", attributes=attributes, alt="a hill", labels=labels, tags=tags)
        before = session.execute(CATALOG).fetchall()
    mount = site.mounted(options="ro", config="variant-profiles { turned { r = 90, w = 16 } }")
    photo, other = mount.path / "a" / "0.png", mount.path / "Summer 2026" / "b" / "0.png"
    expected = ["", "/Summer 2026", "/Summer 2026/b", "/Summer 2026/b/0.png", "/a", "/a/0.png"]
    assert run("find", mount.path) == [f"{mount.path}{name}" for name in expected]
    shutil.copytree(mount.path / "a", tmp_path / "copied")
    run("cp", "-r", mount.path / "a", tmp_path / "copied too")
    assert [(tmp_path / place / "0.png").read_bytes() for place in ("copied", "copied too")] == [PICTURE, PICTURE]

    found = photo.stat()
    assert (found.st_size, found.st_mode & 0o777, found.st_uid) == (len(PICTURE), 0o644, os.getuid())
    assert run("stat", "--format=%y", photo) == ["2026-01-02 03:04:05.678901000 +0000"]
    assert run("getfattr", "--only-values", "-n", "user.xdg.tags", other) == ["hill,dawn"]
    assert [os.getxattr(other, f"user.{name}") for name in ("team", "xdg.comment")] == [b"red", b"a hill"]
    assert os.getxattr(mount.path, "user.konifer.rentries") == b"5"

    assert of(photo, "turned.png").read_bytes() == variant
    assert "turned.png" in names(of(photo, "."))
    assert described(of(photo, "w=8.webp").read_bytes()) == ("WEBP", (8, 5))
    assert (mount.path / "a" / "-" / "new").resolve() == photo
    assert names(mount.path / "Summer 2026" / "-" / "recursive" / "labels" / "team=red") == ["b%2F0.png"]
    assert names(other.parent / "-" / "tags") == ["dawn", "hill"]
    assert names(other.parent / "-" / "entry") == ["0"]

    all_fail(
        30,  # EROFS
        lambda: photo.write_bytes(OTHER),
        photo.unlink,
        lambda: photo.rename(mount.path / "moved.png"),
        (mount.path / "new").mkdir,
        lambda: os.setxattr(photo, "user.team", b"blue"),
    )
    with psycopg.connect(site.owner, autocommit=True) as session:
        assert session.execute(CATALOG).fetchall() == before


@UNJOINED
def test_what_changes_is_seen_and_what_is_not_there_is_told(site: Site) -> None:
    mount = site.mounted(options="ro")
    assert names(mount.path) == []
    assert "without a schema of konifer-fs: names, owners, modes and times are defaults" in mount.run("status")
    konifer = by_owner(mount, site)
    rows = [add_entry(konifer, "root.a") for _ in range(2)]
    wait_until(lambda: names(mount.path) == ["a"])
    wait_until(lambda: names(mount.path / "a") == ["0.jpeg", "1.jpeg"])
    assert (mount.path / "a" / "1.jpeg").read_bytes()
    remove_entry(konifer, rows[0])
    wait_until(lambda: names(mount.path / "a") == ["1.jpeg"])
    query(konifer, "UPDATE asset_tree SET alt = 'a hill' RETURNING 1")
    wait_until(lambda: os.getxattr(mount.path / "a" / "1.jpeg", "user.xdg.comment") == b"a hill")
    assert mount.log().count("konifer-fs has no schema in this database") == 1
    assert mount.log().count("nobody tells of changes") == 1


@UNJOINED
def test_writing_needs_it_to_be_joined(site: Site) -> None:
    store_as_konifer(site.owner, site.objects, site.dialect)
    said = r"no schema konifer_fs: run `konifer-fs migrate --join`, or mount with -o ro: .* are defaults"
    with pytest.raises(CommandFailed, match=said):
        site.mounted()
    mount = site.mounted(options="ro")
    done = konifer_fs("doctor", "-c", mount.config_file, "--data-dir", mount.data_dir, environ=mount.environ)
    assert re.search(f"✗ schema: .*{said}", done.stdout)
    seen = shown(mount.path / "a" / "0.png")
    mount.umount()
    migrate_database(site.owner, join=True)
    with psycopg.connect(site.owner, autocommit=True) as session:
        role = conninfo_to_dict(mount.conninfo)["user"]
        for what in ("USAGE ON SCHEMA konifer_fs", "SELECT ON ALL TABLES IN SCHEMA konifer_fs"):
            session.execute(f"GRANT {what} TO {role}".encode())
    mount.mount()
    assert mount.status()["joined"]
    assert shown(mount.path / "a" / "0.png") == seen

"""`konifer-fs fsck` and `gc` on real stores, with each kind of damage made by SQL or in the object directory."""

import hashlib
import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import Connection

from konifer_fs.adapters.directory import DirectoryObjectStore
from konifer_fs.adapters.postgres.migrate import migrate_database
from konifer_fs.adapters.postgres.store import PostgresStore
from konifer_fs.domain.node import Entry
from konifer_fs.domain.path import AssetPath
from konifer_fs.domain.variant import ObjectRef
from konifer_fs.ports import NewVariant
from konifer_fs_daemon.fsck import ending_as_fsck
from tests.mount.mounting import konifer_fs, spell_database
from tests.postgres.drafts import ATTRIBUTES, new_entry

ORPHAN = "3f0c3b57-6a53-4a52-9d0d-0f6b2f2c4f11.jpeg"
TWO_HOURS = 7200


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Both stores as the commands are told of them, and a way to do damage."""

    config_file: Path
    objects: Path
    metadata: PostgresStore
    connection: Connection
    environ: dict[str, str]

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command, *options = arguments
        return konifer_fs(command, "-c", self.config_file, *options, environ=self.environ)

    def fsck(self, code: int, *options: str) -> list[tuple[str, str, bool]]:
        """Run `fsck`, which must end with `code`; gives kind, place and correction of each finding."""
        done = self.run("fsck", "--json", *options)
        assert done.returncode == code, done
        findings = [json.loads(line) for line in done.stdout.splitlines()[:-1]]
        return [(finding["kind"], finding["where"], finding["corrected"]) for finding in findings]

    def store(self, path: str, name: str, content: bytes = b"a picture") -> Entry:
        directory = self.metadata.make_directories(AssetPath.from_konifer(path))
        new = new_entry(directory, name, self.metadata.reserve_ids(1)[0])
        self.put(new.original, content)
        return self.metadata.record(replace(new, size=len(content), sha256=hashlib.sha256(content).digest()))

    def store_variant(self, entry: Entry, key: str, content: bytes = b"a variant") -> None:
        ref = ObjectRef("assets", key)
        self.put(ref, content)
        transformation = {"width": 1, "height": 1, "format": "jpg"}
        new = NewVariant(
            asset_id=entry.asset_id, ref=ref, transformation=transformation, attributes=ATTRIBUTES, lqip={},
            size=len(content), sha256=hashlib.sha256(content).digest(),
        )  # fmt: skip
        self.metadata.record_variant(new)

    def put(self, ref: ObjectRef, content: bytes = b"a picture", *, age: float = 0) -> Path:
        source = self.objects.parent / "source"
        source.write_bytes(content)
        DirectoryObjectStore(self.objects).put(ref, source, "image/jpeg")
        source.unlink()
        path = self.objects / ref.bucket / ref.key
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def path_of(self, entry: Entry) -> Path:
        assert entry.original is not None
        return self.objects / entry.original.bucket / entry.original.key

    def sql(self, statement: str, *values: object) -> None:
        self.connection.execute(statement.encode(), values)


@pytest.fixture
def site(database: str, tmp_path: Path) -> Iterator[Site]:
    migrate_database(database)
    (tmp_path / "objects").mkdir()
    objects = f'object-store {{ provider = filesystem, filesystem.mount-path = "{tmp_path / "objects"}" }}'
    (tmp_path / "konifer.conf").write_text(f"{spell_database(database)}\n{objects}\n")
    with closing(PostgresStore(database)) as metadata, psycopg.connect(database, autocommit=True) as connection:
        yield Site(
            config_file=tmp_path / "konifer.conf", objects=tmp_path / "objects", metadata=metadata,
            connection=connection, environ={**os.environ, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        )  # fmt: skip


def test_stores_that_nothing_was_stored_in_are_clean(site: Site) -> None:
    done = site.run("fsck", "--data")
    assert (done.returncode, done.stdout, done.stderr) == (0, "0 rows compared with their objects: clean\n", "")


def test_stores_that_agree_are_clean(site: Site) -> None:
    entry = site.store("/a", "tree.jpeg")
    site.store_variant(entry, "1f9619ff-8b86-4011-b42d-00c04fc964ff.jpeg")
    site.store("/a/b", "leaf.jpeg")
    site.metadata.remove_entry(site.metadata.make_directories(entry.path), site.store("/a", "gone.jpeg"), 0)
    site.put(ObjectRef("assets", ORPHAN))
    assert site.fsck(0, "--data", "--repair") == []


def test_a_missing_object_is_left(site: Site) -> None:
    site.path_of(site.store("/a", "tree.jpeg")).unlink()
    assert site.fsck(4, "--repair") == [("missing object", "/a/tree.jpeg", False)]
    assert site.fsck(4) == [("missing object", "/a/tree.jpeg", False)]


def test_a_missing_object_of_a_variant_is_left(site: Site) -> None:
    site.store_variant(site.store("/a", "tree.jpeg"), ORPHAN)
    (site.objects / "assets" / ORPHAN).unlink()
    site.sql("UPDATE asset_variant SET created_at = created_at - interval '5 minutes'")
    assert site.fsck(4, "--repair") == [("missing object", "/a/tree.jpeg", False)]


def test_a_wrong_size_is_corrected_from_the_object(site: Site) -> None:
    site.store("/a", "tree.jpeg")
    site.sql("UPDATE konifer_fs.node SET size = 5 WHERE asset_id IS NOT NULL")
    assert site.fsck(4) == [("wrong size", "/a/tree.jpeg", False)]
    assert site.fsck(1, "--repair") == [("wrong size", "/a/tree.jpeg", True)]
    assert site.fsck(0) == []


def test_an_object_that_was_cut_is_left_and_so_is_its_row(site: Site) -> None:
    path = site.path_of(site.store("/a", "tree.jpeg"))
    path.write_bytes(b"a pict")
    assert site.fsck(4, "--repair") == [("damaged object", "/a/tree.jpeg", False)]
    assert site.fsck(4, "--repair") == [("damaged object", "/a/tree.jpeg", False)]


def test_an_object_with_other_bytes_is_found_by_reading_it(site: Site) -> None:
    entry = site.store("/a", "tree.jpeg")
    site.store_variant(entry, ORPHAN)
    site.path_of(entry).write_bytes(b"e picture")
    (site.objects / "assets" / ORPHAN).write_bytes(b"e variant")
    assert site.fsck(0) == []
    assert site.fsck(4, "--data") == [("damaged object", "/a/tree.jpeg", False)] * 2


def test_an_asset_without_an_original_is_left(site: Site) -> None:
    site.path_of(site.store("/a", "tree.jpeg")).unlink()
    site.sql("DELETE FROM asset_variant")
    assert site.fsck(4, "--repair") == [("asset without original", "/a/tree.jpeg", False)]


def test_a_low_counter_is_raised(site: Site) -> None:
    for name in ("one.jpeg", "two.jpeg", "three.jpeg"):
        site.store("/a", name)
    site.sql("UPDATE path_entry_counter SET last_entry_id = 0 WHERE path = 'root.a'")
    assert site.fsck(4) == [("low counter", "/a", False)]
    assert site.fsck(1, "--repair") == [("low counter", "/a", True)]
    assert site.store("/a", "four.jpeg").entry_id == 3
    assert site.fsck(0) == []


def test_a_dead_name_is_removed_and_its_entry_stays(site: Site) -> None:
    entry = site.store("/a", "tree.jpeg")
    site.sql("UPDATE asset_tree SET path = 'root.b', entry_id = 7 WHERE id = %s", entry.asset_id)
    site.sql("INSERT INTO path_entry_counter VALUES ('root.b', 7)")
    assert site.fsck(4) == [("dead name", "/a/tree.jpeg", False)]
    assert site.fsck(1, "--repair") == [("dead name", "/a/tree.jpeg", True)]
    assert site.fsck(0, "--data") == []
    found = site.metadata.find_child(site.metadata.make_directories(AssetPath(("b",))), "7.jpeg")
    assert isinstance(found, Entry)
    assert (found.id, found.size) == (entry.id, 9)


def test_what_was_corrected_and_what_is_left_add_up(site: Site) -> None:
    site.path_of(site.store("/a", "tree.jpeg")).unlink()
    site.store("/b", "leaf.jpeg")
    site.sql("DELETE FROM path_entry_counter WHERE path = 'root.b'")
    done = site.run("fsck", "--repair")
    assert done.returncode == 5
    low, missing, total = done.stdout.splitlines()
    assert low == "low counter: /b: the counter is missing, the highest entry id is 0 (corrected)"
    assert missing.startswith("missing object: /a/tree.jpeg: assets/")
    assert total == "2 rows compared with their objects: 1 findings corrected, 1 left"


# Orphans.
def test_an_orphan_is_told_once_it_is_old_and_removed_by_gc(site: Site) -> None:
    entry = site.store("/a", "tree.jpeg")
    orphan = site.put(ObjectRef("assets", ORPHAN), age=TWO_HOURS)
    assert site.fsck(0, "--grace", "3h") == []
    assert site.fsck(4, "--repair") == [("orphaned object", f"assets/{ORPHAN}", False)]
    told = site.run("gc", "--dry-run")
    assert (told.returncode, told.stdout.splitlines()[1]) == (0, "1 orphaned objects, 9 bytes, would be removed")
    assert site.run("gc", "--grace", "3h").stdout == "0 orphaned objects, 0 bytes, removed\n"
    assert orphan.exists()
    done = site.run("gc")
    assert done.stdout.startswith(f"assets/{ORPHAN}: removed, 9 bytes of ")
    assert not orphan.exists()
    assert site.path_of(entry).exists()
    assert site.fsck(0, "--data") == []


def test_what_the_outbox_names_and_what_is_not_konifers_is_no_orphan(site: Site) -> None:
    entry = site.store("/a", "tree.jpeg")
    site.store("/a", "leaf.jpeg")
    for path in (site.path_of(entry), site.put(ObjectRef("assets", "backup.tar"))):
        os.utime(path, (0, 0))
    site.metadata.remove_entry(site.metadata.make_directories(entry.path), entry, 0)
    assert site.fsck(0) == []
    assert site.run("gc").stdout == "0 orphaned objects, 0 bytes, removed\n"
    assert site.path_of(entry).exists()


def test_a_bucket_that_may_be_another_stores_is_left_alone(site: Site) -> None:
    orphan = site.put(ObjectRef("assets", ORPHAN), age=TWO_HOURS)
    done = site.run("gc")
    assert (done.returncode, done.stdout) == (0, "0 orphaned objects, 0 bytes, removed\n")
    assert done.stderr.startswith("assets: left alone")
    assert orphan.exists()
    assert site.fsck(4) == [("orphaned object", f"assets/{ORPHAN}", False)]


# How the commands end.
@pytest.mark.parametrize("options", [["--grace", "soon"], ["--nothing"], ["argument"]])
def test_wrong_arguments_end_fsck_as_in_its_manual(site: Site, options: list[str]) -> None:
    assert site.run("fsck", *options).returncode == 16


def test_a_wrong_configuration_ends_fsck_as_in_its_manual(site: Site) -> None:
    site.config_file.write_text("filesystem.drian = 1s")
    done = site.run("fsck")
    assert (done.returncode, done.stdout) == (16, "")
    assert "filesystem.drian" in done.stderr


@pytest.mark.parametrize(
    ("stores", "reason"),
    [
        ("data-store { provider = postgresql, postgresql { host = 127.0.0.1, port = 1 } }", "cannot be reached"),
        ("object-store.provider = in-memory", "in memory"),
        ("", "nothing is stored"),
    ],
)
@pytest.mark.parametrize(("command", "code"), [("fsck", 8), ("gc", 1)])
def test_stores_that_cannot_be_looked_at_are_an_error(
    site: Site, stores: str, reason: str, command: str, code: int
) -> None:
    site.config_file.write_text(stores)
    done = site.run(command)
    assert (done.returncode, done.stdout) == (code, "")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 32), (ZeroDivisionError(), 8)])
def test_nothing_unexpected_ends_as_if_it_had_corrected(error: BaseException, code: int) -> None:
    with pytest.raises(SystemExit) as ended, ending_as_fsck():
        raise error
    assert ended.value.code == code


def test_a_store_that_fails_in_the_middle_is_an_error_and_no_finding(site: Site) -> None:
    site.store("/a", "tree.jpeg")
    site.objects.rename(site.objects.parent / "elsewhere")
    done = site.run("fsck", "--repair")
    assert (done.returncode, done.stdout) == (8, "")
    assert "cannot be reached" in done.stderr


def test_a_bucket_that_cannot_be_looked_at_hides_no_other(site: Site) -> None:
    site.store("/a", "tree.jpeg")
    for name in ("odd", "others"):
        moved = site.store(f"/{name}", "leaf.jpeg")
        site.sql("UPDATE asset_variant SET object_store_bucket = %s WHERE asset_id = %s", name, moved.asset_id)
    orphan = site.put(ObjectRef("others", ORPHAN), age=TWO_HOURS)
    (site.objects / "assets").rename(site.objects / "away")
    for name in ("assets", "odd"):
        (site.objects / name).write_text("in the way of a directory")
    assert sorted(site.fsck(4 + 8)) == [
        ("missing object", "/others/leaf.jpeg", False),
        ("orphaned object", f"others/{ORPHAN}", False),
        ("unknown bucket", "odd", False),
    ]
    done = site.run("fsck")
    assert done.stdout.endswith(": 0 findings corrected, 3 left\n")
    refused = f"A store refused a request: {site.objects / 'assets'}: Not a directory"
    assert done.stderr == f"konifer-fs: {refused}\n"
    done = site.run("gc")
    assert (done.returncode, done.stdout.splitlines()[1]) == (1, "1 orphaned objects, 9 bytes, removed")
    assert refused in done.stderr
    assert not orphan.exists()


def test_gc_refuses_a_grace_that_uploads_may_need(site: Site) -> None:
    done = site.run("gc", "--grace", "299s")
    assert done.returncode == 2
    assert "at least 5m" in done.stderr

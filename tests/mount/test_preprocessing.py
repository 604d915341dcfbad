"""What the configuration of a path makes of what is written there: preprocessing, limits, placeholders."""

import hashlib
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from errno import EFBIG, EIO, ENODATA
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.contracts.relay import Relay, relaying
from tests.mount.dialect import read_attributes, read_lqip, read_original_transformation
from tests.mount.elsewhere import ltree, query
from tests.mount.killing import IMPATIENT, held
from tests.mount.mounting import Mount, MountFactory
from tests.mount.saving import SECONDS, eventually, failing, run, state, tell, write_all
from tests.mount.variants import PICTURE, described, of
from tests.pictures import make_picture, make_png
from tests.servers import S3Server

FACT: Final = "user.konifer."
SMALL: Final = make_picture(ImageFormat.PNG, (24, 8))
TURNED: Final = make_picture(ImageFormat.JPEG, orientation=6)
# Whole as a container, and not one pixel can be read.
HOLLOW: Final = make_png(48, 32)

CONFIG: Final = """
paths {
  "/shrunk/**" { transform.preprocessing { enabled = true, clamp-width = 24, clamp-height = 24 }, lqip = [thumbhash] }
  "/upright" { preprocessing { enabled = true, image { format = webp, r = auto } } }
  "/enlarged" {
    transform { preprocessing { enabled = true, w = 200 }, limits { max-width = 100 } }
  }
  "/cropped" { transform.preprocessing { enabled = true, fit = crop, w = 40, h = 16 } }
  "/hashed" { lqip = [blurhash, thumbhash] }
  "/limited" { limits { max-width = 48, max-height = 40, max-pixels = 1600, max-pages = 2, max-pixels-per-page = 100 } }
}
"""

_ORIGINALS: Final = """
SELECT v.object_store_bucket, v.object_store_key, v.transformation, v.attributes, v.lqip
  FROM asset_variant v JOIN asset_tree a ON a.id = v.asset_id
 WHERE a.path = %s::text::ltree AND v.original_variant AND v.uploaded_at IS NOT NULL ORDER BY a.entry_id
"""


class Original:
    """What the stores have of an entry's original, of which Konifer can read all."""

    def __init__(
        self, mount: Mount, bucket: str, key: str, transformation: object, attributes: object, lqip: object
    ) -> None:
        self.key = key
        self.content = (mount.objects.parent / bucket / key).read_bytes()
        self.transformation = read_original_transformation(transformation)
        self.attributes = read_attributes(attributes)
        self.lqip = read_lqip(lqip)

    @property
    def size(self) -> tuple[int, int]:
        return self.attributes["width"], self.attributes["height"]


def originals(mount: Mount, place: Path) -> list[Original]:
    """Give the originals that are stored of a directory's entries, the oldest first."""
    return [Original(mount, *row) for row in query(mount, _ORIGINALS, ltree(mount, place))]


def fact(photo: Path, name: str) -> str:
    return os.getxattr(photo, FACT + name).decode()


def wait_for_release(photo: Path, size: int) -> None:
    """Wait until the kernel has released a file that was closed, and it shows what is stored."""
    eventually(lambda: photo.stat().st_size, size)


@pytest.fixture(scope="module")
def mount(shared_mounts: MountFactory) -> Mount:
    """A mount with paths that make something of what is written."""
    return shared_mounts(config=CONFIG)


@pytest.fixture
def shrunk(mount: Mount) -> Path:
    """An empty directory where pictures are shrunk into 24x24."""
    path = mount.path / "shrunk" / uuid4().hex
    path.mkdir(parents=True)
    return path


@pytest.fixture
def at(mount: Mount, request: pytest.FixtureRequest) -> Path:
    """The directory that the test is for."""
    path = mount.path / str(request.param)
    path.mkdir(exist_ok=True)
    return path


@pytest.mark.semantics("Where a path has preprocessing")
def test_both_stores_have_the_result_when_close_returns(mount: Mount, shrunk: Path) -> None:
    photo = shrunk / "photo.png"
    photo.write_bytes(PICTURE)
    (stored,) = originals(mount, shrunk)
    assert described(stored.content) == ("PNG", (24, 16))
    assert stored.size == (24, 16)
    assert {key: stored.transformation[key] for key in ("width", "height", "format")} == {
        "width": 24, "height": 16, "format": "png",
    }  # fmt: skip
    wait_for_release(photo, len(stored.content))
    tell(mount, shrunk, {"photo.png": stored.content})
    assert (fact(photo, "width"), fact(photo, "height"), fact(photo, "state")) == ("24", "16", "ready")
    assert of(photo, "original.png").read_bytes() == stored.content
    mount.remount()
    assert photo.read_bytes() == stored.content


@pytest.mark.semantics("Where a path has preprocessing")
def test_the_file_has_its_own_bytes_until_its_last_handle_is_closed(
    mount: Mount, shrunk: Path, second_mount: Mount
) -> None:
    photo = shrunk / "photo.png"
    elsewhere = second_mount.path / photo.relative_to(mount.path)
    writing = os.open(photo, os.O_RDWR | os.O_CREAT, 0o644)
    write_all(writing, PICTURE)
    os.fsync(writing)
    (stored,) = originals(mount, shrunk)
    assert elsewhere.read_bytes() == stored.content != PICTURE
    reading = os.open(photo, os.O_RDONLY)
    os.close(writing)
    assert os.pread(reading, 1 << 20, 0) == photo.read_bytes() == PICTURE
    assert os.fstat(reading).st_size == photo.stat().st_size == len(PICTURE)
    inode = os.fstat(reading).st_ino
    os.close(reading)
    wait_for_release(photo, len(stored.content))
    assert photo.read_bytes() == elsewhere.read_bytes() == stored.content
    assert photo.stat().st_ino == inode


@pytest.mark.semantics("With `filesystem.durability = spool`")
def test_who_opens_a_file_that_is_being_stored_reads_the_bytes_that_it_showed(mounted: MountFactory) -> None:
    mount = mounted(config=f"{CONFIG}\nfilesystem.durability = spool")
    photo = mount.path / "shrunk" / "photo.png"
    photo.parent.mkdir()
    with ThreadPoolExecutor() as readers:
        with held(mount) as lock:
            photo.write_bytes(PICTURE)
            lock.wait_for_recording()
            assert photo.stat().st_size == len(PICTURE)
            reading = [readers.submit(os.open, photo, flags) for flags in (os.O_RDONLY, os.O_RDWR)]
            time.sleep(0.5)  # They wait for what is being recorded.
        descriptors = [opening.result(SECONDS) for opening in reading]
    eventually(lambda: state(photo), "ready")
    for descriptor in descriptors:
        assert os.fstat(descriptor).st_size == photo.stat().st_size == len(PICTURE)
        assert os.pread(descriptor, 1 << 20, 0) == PICTURE
        os.close(descriptor)
    (stored,) = originals(mount, photo.parent)
    wait_for_release(photo, len(stored.content))
    tell(mount, photo.parent, {"photo.png": stored.content})


@pytest.mark.semantics("A later commit of the same opening replaces the earlier one")
def test_the_last_commit_of_an_opening_is_what_is_stored(mount: Mount, shrunk: Path) -> None:
    photo = shrunk / "photo.png"
    writing = os.open(photo, os.O_RDWR | os.O_CREAT, 0o644)
    write_all(writing, make_picture(ImageFormat.PNG, (24, 96)))
    os.fsync(writing)
    os.ftruncate(writing, 0)
    write_all(writing, PICTURE)
    os.close(writing)
    (stored,) = originals(mount, shrunk)
    assert stored.size == (24, 16)
    wait_for_release(photo, len(stored.content))
    tell(mount, shrunk, {"photo.png": stored.content})


@pytest.mark.semantics("Where a path has preprocessing")
def test_a_draft_that_had_to_wait_is_changed_when_it_is_stored(
    mounted: MountFactory, s3_server: dict[str, S3Server]
) -> None:
    endpoint = 'object-store.s3.endpoint-url = "{}"'
    with relaying(Relay(), s3_server["moto"].endpoint_url) as relay:
        mount = mounted("moto", config="\n".join([CONFIG, IMPATIENT, endpoint.format(relay.endpoint_url)]))
        (mount.path / "shrunk").mkdir()
    photo = mount.path / "shrunk" / "photo.png"
    with failing(EIO):
        photo.write_bytes(PICTURE)
    assert (state(photo), photo.read_bytes()) == ("pending", PICTURE)
    mount.umount("--force")
    with mount.config_file.open("a") as config:
        config.write(endpoint.format(s3_server["moto"].endpoint_url))
    mount.mount()
    eventually(lambda: state(photo), "ready")
    assert described(photo.read_bytes()) == ("PNG", (24, 16))
    assert fact(photo, "received-size") == str(len(PICTURE))


@pytest.mark.semantics("Where a path has preprocessing")
def test_what_is_moved_there_is_not_changed(mount: Mount, shrunk: Path) -> None:
    plain = mount.path / f"t{uuid4().hex}"
    plain.mkdir()
    (plain / "photo.png").write_bytes(PICTURE)
    (plain / "photo.png").rename(shrunk / "moved.png")
    tell(mount, shrunk, {"moved.png": PICTURE})


@pytest.mark.semantics("Where a path has preprocessing")
def test_a_file_saved_by_renaming_is_changed_once(mount: Mount, shrunk: Path) -> None:
    (shrunk / ".photo.png.part").write_bytes(PICTURE)
    (stored,) = originals(mount, shrunk)
    (shrunk / ".photo.png.part").rename(shrunk / "photo.png")
    wait_for_release(shrunk / "photo.png", len(stored.content))
    tell(mount, shrunk, {"photo.png": stored.content})


@pytest.mark.semantics("Where a path has preprocessing")
def test_rsync_leaves_alone_what_is_there(mount: Mount, shrunk: Path, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(PICTURE)
    copy = ("rsync", "-a", "--ignore-existing", "--itemize-changes", f"{tmp_path}/photo.png", f"{shrunk}/")
    assert b"photo.png" in run(*copy).stdout
    (stored,) = originals(mount, shrunk)
    assert run(*copy).stdout == b""
    tell(mount, shrunk, {"photo.png": stored.content})


@pytest.mark.semantics("Where a path has preprocessing")
@pytest.mark.parametrize("at", ["upright"], indirect=True)
def test_the_result_may_be_of_another_format_and_turned(mount: Mount, at: Path) -> None:
    photo = at / "photo.jpg"
    photo.write_bytes(TURNED)
    (stored,) = originals(mount, at)
    assert described(stored.content) == ("WEBP", (32, 48))
    assert stored.key.endswith(".webp")
    assert stored.attributes["format"] == stored.transformation["format"] == "webp"
    wait_for_release(photo, len(stored.content))
    assert os.getxattr(photo, "user.mime_type") == b"image/webp"
    assert photo.read_bytes() == stored.content


@pytest.mark.semantics("A picture that preprocessing has nothing to do with")
def test_a_picture_without_work_is_stored_byte_for_byte(mount: Mount, shrunk: Path) -> None:
    (shrunk / "small.png").write_bytes(SMALL + b"more")
    tell(mount, shrunk, {"small.png": SMALL + b"more"})


@pytest.mark.semantics("The facts user.konifer.received-size")
def test_what_was_written_can_be_told(mount: Mount, shrunk: Path) -> None:
    photo = shrunk / "photo.png"
    for written in (PICTURE, SMALL):
        photo.write_bytes(written)
        (stored,) = originals(mount, shrunk)
        wait_for_release(photo, len(stored.content))
        assert (stored.content == written) == (written is SMALL)
        assert fact(photo, "received-size") == str(len(written))
        assert fact(photo, "received-sha256") == hashlib.sha256(written).hexdigest()
    assert not [name for name in os.listxattr(photo) if "received" in name]


@pytest.mark.semantics("A picture that preprocessing cannot decode")
def test_a_picture_that_cannot_be_decoded_stays_a_draft(mount: Mount, shrunk: Path) -> None:
    hollow = shrunk / "hollow.png"
    with failing(EIO):
        hollow.write_bytes(HOLLOW)
    assert state(hollow) == "incomplete"
    tell(mount, shrunk, {}, drafts={"hollow.png": "incomplete"})
    assert hollow.read_bytes() == HOLLOW
    assert f"/{shrunk.name}/hollow.png: The content cannot be read" in mount.log()
    hollow.write_bytes(SMALL)
    tell(mount, shrunk, {"hollow.png": SMALL})


@pytest.mark.semantics("A local file that gets an ordinary name")
@pytest.mark.parametrize("is_stored", [True, False])
@pytest.mark.parametrize("target", ["entry", "draft", "symlink"])
def test_a_rename_of_what_cannot_be_decoded_changes_nothing(
    mount: Mount, shrunk: Path, is_stored: bool, target: str
) -> None:
    hidden, victim = shrunk / ".hidden.png", shrunk / "victim.png"
    make: dict[str, Callable[[], object]] = {
        "entry": lambda: victim.write_bytes(SMALL),
        "draft": victim.touch,
        "symlink": lambda: victim.symlink_to("elsewhere"),
    }
    make[target]()
    if is_stored:
        hidden.write_bytes(SMALL)
    hidden.write_bytes(HOLLOW)
    before = {path.name: path.lstat() for path in (hidden, victim)}
    with failing(EIO):
        hidden.rename(victim)
    assert {path.name: path.lstat() for path in shrunk.iterdir()} == before
    assert hidden.read_bytes() == HOLLOW
    if target == "symlink":
        assert victim.readlink() == Path("elsewhere")
    else:
        assert victim.read_bytes() == (SMALL if target == "entry" else b"")
    hidden.write_bytes(SMALL)
    hidden.rename(victim)
    tell(mount, shrunk, {"victim.png": SMALL})


@pytest.mark.semantics("A picture that preprocessing cannot decode, or that is smaller than what is to be cropped")
@pytest.mark.parametrize("at", ["cropped"], indirect=True)
def test_a_picture_too_small_for_its_crop_stays_a_draft(mount: Mount, at: Path) -> None:
    with failing(EIO):
        (at / "photo.png").write_bytes(SMALL)
    assert state(at / "photo.png") == "incomplete"
    assert "a crop to 40x16 is larger than the picture" in mount.log()
    (at / "photo.png").write_bytes(PICTURE)
    (stored,) = originals(mount, at)
    assert stored.size == (40, 16)


@pytest.mark.semantics("Content of a type that is not one of the seven")
@pytest.mark.parametrize("at", ["enlarged"], indirect=True)
def test_a_result_over_the_limits_is_refused(mount: Mount, at: Path) -> None:
    with failing(EFBIG):
        (at / "photo.png").write_bytes(PICTURE)
    tell(mount, at, {})


@pytest.mark.semantics("Content of a type that is not one of the seven")
@pytest.mark.parametrize("at", ["limited"], indirect=True)
def test_a_picture_over_a_limit_is_refused_and_the_file_is_as_it_was(mount: Mount, at: Path) -> None:
    photo = at / "photo.png"
    photo.write_bytes(PICTURE)
    too_large = [
        make_picture(ImageFormat.PNG, (49, 8)),
        make_picture(ImageFormat.PNG, (8, 41)),
        make_picture(ImageFormat.PNG, (41, 40)),
        make_picture(ImageFormat.GIF, (8, 8), pages=3),
        make_picture(ImageFormat.WEBP, (16, 8), pages=2),
    ]
    for content in too_large:
        with failing(EFBIG):
            photo.write_bytes(content)
        eventually(photo.read_bytes, PICTURE)
    tell(mount, at, {"photo.png": PICTURE})


@pytest.mark.semantics("The placeholders of a path")
@pytest.mark.parametrize("at", ["hashed"], indirect=True)
def test_placeholders_are_computed_where_they_are_configured(mount: Mount, at: Path, place: Path) -> None:
    photo = at / "photo.png"
    photo.write_bytes(PICTURE)
    (stored,) = originals(mount, at)
    assert stored.content == PICTURE
    assert set(stored.lqip) == {"blurhash", "thumbhash"}
    assert fact(photo, "blurhash") == stored.lqip["blurhash"]
    assert fact(photo, "thumbhash") == stored.lqip["thumbhash"]
    assert len(fact(photo, "blurhash")) == 36
    assert described(of(photo, "blurhash.png").read_bytes()) == ("PNG", (32, 32))
    photo.unlink()
    (place / "plain.png").write_bytes(PICTURE)
    for name in ("blurhash", "thumbhash"):
        with failing(ENODATA):
            fact(place / "plain.png", name)


@pytest.mark.semantics("The placeholders of a path")
def test_placeholders_are_of_the_result(mount: Mount, shrunk: Path) -> None:
    (shrunk / "photo.png").write_bytes(PICTURE)
    (shrunk / "small.png").write_bytes(SMALL)
    first, second = originals(mount, shrunk)
    assert set(first.lqip) == set(second.lqip) == {"thumbhash"}
    assert first.lqip != second.lqip


@pytest.mark.semantics("The placeholders of a path")
@pytest.mark.parametrize("at", ["hashed"], indirect=True)
def test_a_picture_whose_pixels_cannot_be_read_is_stored_without(mount: Mount, at: Path) -> None:
    (at / "hollow.png").write_bytes(HOLLOW)
    (stored,) = originals(mount, at)
    assert (stored.content, stored.lqip) == (HOLLOW, {})
    assert "an image is stored without placeholders" in mount.log()

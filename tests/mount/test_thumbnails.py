"""freedesktop's thumbnails: shared ones in a directory of the mount, and those of the user's own cache."""

import io
import os
import subprocess
from errno import EEXIST, ENOENT, EROFS
from hashlib import md5
from pathlib import Path
from typing import Final
from urllib.parse import quote
from uuid import uuid4

import pytest
from PIL import Image

from konifer_fs.domain.formats import ImageFormat
from tests.mount.elsewhere import add_entry, all_fail, ltree, names, wait_until
from tests.mount.mounting import Mount, MountFactory, konifer_fs
from tests.mount.saving import failing, run
from tests.pictures import make_picture

SHARED: Final = pytest.mark.semantics("D/.sh_thumbnails/<size>/<md5>.png")
HIDDEN: Final = pytest.mark.semantics(".sh_thumbnails answers look-ups")
PRIMED: Final = pytest.mark.semantics("konifer-fs thumbnails --prime DIR")
PICTURE: Final = make_picture(ImageFormat.JPEG, (600, 300))
TUMBLER: Final = next(iter(Path("/usr/lib").glob("*/tumbler-1/tumblerd")), None)


@pytest.fixture
def photo(place: Path) -> Path:
    """An entry of 600x300 with a name that a URI spells otherwise."""
    (place / "a b%.jpg").write_bytes(PICTURE)
    return place / "a b%.jpg"


def shared(photo: Path, size: str = "normal", spelled: str | None = None) -> Path:
    digest = md5((photo.name if spelled is None else spelled).encode()).hexdigest()
    return photo.parent / ".sh_thumbnails" / size / f"{digest}.png"


def look(thumbnail: Path) -> tuple[str | None, tuple[int, int], str, str]:
    """Give format, size, URI and time of a thumbnail, whose size is as `stat` tells."""
    content = thumbnail.read_bytes()
    assert thumbnail.stat().st_size == len(content)
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.format, image.size, image.info["Thumb::URI"], image.info["Thumb::MTime"]


def time_of(photo: Path) -> str:
    ns = photo.stat().st_mtime_ns
    return f"{ns // 10**9}.{ns // 1000 % 10**6:06}"


@SHARED
@pytest.mark.parametrize("spelled", ["a b%.jpg", "a%20b%25.jpg", "./a%20b%25.jpg"])
def test_a_thumbnail_is_found_by_every_rule(photo: Path, spelled: str) -> None:
    assert look(shared(photo, spelled=spelled)) == ("PNG", (128, 64), "./a%20b%25.jpg", time_of(photo))


@SHARED
def test_each_size_is_a_stored_variant(photo: Path) -> None:
    sizes = {size: look(shared(photo, size))[1] for size in ("normal", "large", "x-large", "xx-large")}
    assert sizes == {"normal": (128, 64), "large": (256, 128), "x-large": (512, 256), "xx-large": (600, 300)}
    variants = photo.with_name("a b%.jpg@")
    assert set(names(variants)) >= {"w=128,h=128.png", "w=256,h=256.png", "w=512,h=512.png"}
    plain = (variants / "w=128,h=128.png").read_bytes()
    assert shared(photo).read_bytes().startswith(plain[:33])
    assert shared(photo).read_bytes().endswith(plain[33:])


@SHARED
def test_a_thumbnail_is_upright(place: Path) -> None:
    (place / "turned.jpg").write_bytes(make_picture(ImageFormat.JPEG, (600, 300), orientation=6))
    assert look(shared(place / "turned.jpg"))[1] == (64, 128)


@SHARED
def test_a_thumbnail_of_a_name_that_only_some_uris_escape_is_found_as_glib_asks(place: Path) -> None:
    (place / "a;b.jpg").write_bytes(PICTURE)
    assert look(shared(place / "a;b.jpg", spelled="./a%3Bb.jpg"))[2] == "./a%3Bb.jpg"


@SHARED
def test_a_thumbnail_can_be_read_anywhere(photo: Path) -> None:
    whole = shared(photo).read_bytes()
    descriptor = os.open(shared(photo), os.O_RDONLY | os.O_DIRECT)
    os.close(descriptor)
    with shared(photo).open("rb", buffering=0) as file:
        for offset, length in ((0, 10), (30, 10), (33, 5), (40, 80), (100, 200), (len(whole) - 3, 10), (len(whole), 5)):
            assert os.pread(file.fileno(), length, offset) == whole[offset : offset + length]


@SHARED
def test_a_thumbnail_follows_its_picture(photo: Path, second_mount: Mount) -> None:
    before = look(shared(photo))
    os.utime(photo, ns=(0, 1_234_567_890_123_456_789))
    assert look(shared(photo)) == (*before[:3], "1234567890.123456")
    os.utime(photo, ns=(0, -5_500_000_000))
    assert look(shared(photo)) == (*before[:3], "-5.500000")
    renamed = photo.with_name("renamed.jpg")
    (second_mount.path / photo.parent.name / photo.name).rename(second_mount.path / photo.parent.name / renamed.name)
    wait_until(shared(renamed).exists)
    with failing(ENOENT):
        shared(photo).stat()
    assert look(shared(renamed))[2] == "./renamed.jpg"
    renamed.write_bytes(make_picture(ImageFormat.JPEG, (200, 400)))
    assert look(shared(renamed))[1] == (64, 128)


@SHARED
def test_a_foreign_entry_has_thumbnails_too(shared_mount: Mount, place: Path) -> None:
    row = add_entry(shared_mount, ltree(shared_mount, place))
    assert look(shared(place / f"{row.entry_id}.jpeg"))[:1] == ("PNG",)


@SHARED
def test_what_nothing_has_is_not_there(photo: Path) -> None:
    directory = photo.parent / ".sh_thumbnails"
    (photo.parent / "below").mkdir()
    all_fail(
        ENOENT,
        shared(photo.with_name("missing.jpg")).stat, shared(photo.with_name("below")).stat,
        (directory / "normal" / "x.png").stat, (directory / "normal" / md5(b"a b%.jpg").hexdigest()).stat,
        (directory / "fail").stat,
    )  # fmt: skip


@HIDDEN
def test_nothing_lists_it_or_can_be_made_there(photo: Path) -> None:
    directory = photo.parent / ".sh_thumbnails"
    assert names(photo.parent) == [photo.name]
    assert names(directory) == ["large", "normal", "x-large", "xx-large"]
    assert names(directory / "normal") == []
    all_fail(EEXIST, directory.mkdir, (directory / "normal").mkdir)
    all_fail(
        EROFS,
        (directory / "new").mkdir, (directory / "normal" / "new.png").touch, shared(photo).unlink, directory.rmdir,
        lambda: shared(photo).write_bytes(b""), lambda: photo.rename(directory / "normal" / photo.name),
    )  # fmt: skip
    run("rm", "-r", photo.parent)
    assert not photo.parent.exists()


@HIDDEN
def test_a_stored_directory_of_that_name_is_shown(shared_mount: Mount, place: Path) -> None:
    row = add_entry(shared_mount, f"{ltree(shared_mount, place)}.__2esh_thumbnails")
    assert names(place) == [".sh_thumbnails"]
    assert names(place / ".sh_thumbnails") == [f"{row.entry_id}.jpeg"]


@SHARED
def test_a_path_that_makes_nothing_on_demand_has_none(mounted: MountFactory) -> None:
    mount = mounted(config='paths { "/**" { transform.on-demand-variant.mode = profile_only } }')
    (mount.path / "photo.jpg").write_bytes(PICTURE)
    with pytest.raises(PermissionError):
        shared(mount.path / "photo.jpg").stat()


@SHARED
def test_a_read_only_mount_makes_its_own(mounted: MountFactory) -> None:
    (mounted().path / "photo.jpg").write_bytes(PICTURE)
    mount = mounted(options="ro")
    assert look(shared(mount.path / "photo.jpg"))[:3] == ("PNG", (128, 64), "./photo.jpg")


def prime(directory: Path, cache: Path, code: int = 0) -> str:
    environ = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    done = konifer_fs("thumbnails", "--prime", directory, environ=environ)
    assert done.returncode == code, done
    return done.stdout or done.stderr


@PRIMED
def test_a_users_cache_is_filled_once(photo: Path, tmp_path: Path) -> None:
    (photo.parent / "below").mkdir()
    (photo.parent / "below" / "b.jpg").write_bytes(PICTURE)
    (photo.parent / "below" / "empty.jpg").touch()
    assert prime(photo.parent, tmp_path) == "4 made, 0 up to date, 0 failed\n"
    assert prime(photo.parent, tmp_path) == "0 made, 4 up to date, 0 failed\n"
    later = photo.stat().st_mtime + 2  # A thumbnail tells whole seconds.
    os.utime(photo, (later, later))
    assert prime(photo.parent, tmp_path) == "2 made, 2 up to date, 0 failed\n"
    uri = f"file://{quote(str(photo))}"
    target = tmp_path / "thumbnails" / "large" / f"{md5(uri.encode()).hexdigest()}.png"
    assert look(target) == ("PNG", (256, 128), uri, str(photo.stat().st_mtime_ns // 10**9))
    assert [path.stat().st_mode & 0o777 for path in (target, target.parent)] == [0o600, 0o700]


@PRIMED
def test_glib_takes_them_for_valid(photo: Path, tmp_path: Path) -> None:
    prime(photo.parent, tmp_path)
    told = subprocess.run(
        ["gio", "info", "-a", "thumbnail::*", photo], env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    assert "thumbnail::is-valid: TRUE" in told


@PRIMED
def test_what_cannot_be_had_is_told(photo: Path, tmp_path: Path, shared_mount: Mount) -> None:
    row = add_entry(shared_mount, ltree(shared_mount, photo.parent), b"no picture at all")
    assert prime(photo.parent, tmp_path, code=1) == "2 made, 0 up to date, 2 failed\n"
    assert not list((tmp_path / "thumbnails").rglob(".*"))
    said = prime(tmp_path, tmp_path / uuid4().hex, code=1)
    assert "has no thumbnails to offer" in said
    assert row.entry_id >= 0


# It judges all that it is asked for, and then makes what is not valid.
ASK: Final = """
"$1" & daemon=$!
gdbus wait --session --timeout 30 org.freedesktop.thumbnails.Thumbnailer1
gdbus call --session --dest org.freedesktop.thumbnails.Thumbnailer1 \\
  --object-path /org/freedesktop/thumbnails/Thumbnailer1 --method org.freedesktop.thumbnails.Thumbnailer1.Queue \\
  "['$2', '$3']" "['image/jpeg', 'image/jpeg']" normal default 0
for _ in $(seq 300); do [ -e "$XDG_CACHE_HOME/thumbnails/normal/$4.png" ] && break; sleep 0.1; done
kill $daemon
"""


@SHARED
@pytest.mark.slow
@pytest.mark.skipif(TUMBLER is None and not os.environ.get("CI"), reason="tumbler is not installed")
def test_tumbler_is_content_with_them(photo: Path, tmp_path: Path) -> None:
    assert TUMBLER is not None
    (tmp_path / "local.jpg").write_bytes(PICTURE)
    uris = [f"file://{quote(str(path))}" for path in (photo, tmp_path / "local.jpg")]
    environ = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    local = md5(uris[1].encode()).hexdigest()
    subprocess.run(
        ["dbus-run-session", "--", "bash", "-c", ASK, "bash", TUMBLER, *uris, local],
        env=environ, timeout=120, check=True, capture_output=True,
    )  # fmt: skip
    made = {path.stem for path in (tmp_path / "cache" / "thumbnails").rglob("*.png")}
    assert made == {local}

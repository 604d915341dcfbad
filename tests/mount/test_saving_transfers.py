"""How programs that move pictures about save: cp, mv, curl, tar, unzip, rsync. What they are told, and what is left."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from konifer_fs.domain.formats import ImageFormat
from tests.mount.mounting import Mount
from tests.mount.saving import annotate, annotations, eventually, jpeg, require, run, state, tell
from tests.pictures import make_picture

PICTURES = {"one.jpg": jpeg(1), "two.jpg": jpeg(2)}
OLD_NS = 1_234_567_890_000_000_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A local directory with two pictures of 2009."""
    source = tmp_path / "source"
    source.mkdir()
    for name, content in PICTURES.items():
        (source / name).write_bytes(content)
        os.utime(source / name, ns=(OLD_NS, OLD_NS))
    return source


def test_cp_with_all_its_short_cuts(shared_mount: Mount, place: Path, source: Path) -> None:
    (source / "holes.jpg").write_bytes(jpeg(3) + bytes(1 << 20) + b"end")
    run("cp", "--reflink=auto", "--sparse=always", *source.iterdir(), place)
    tell(shared_mount, place, {**PICTURES, "holes.jpg": jpeg(3) + bytes(1 << 20) + b"end"})


def test_cp_within_the_mount(shared_mount: Mount, place: Path, source: Path) -> None:
    run("cp", "-p", source / "one.jpg", place)
    said = annotate(place / "one.jpg")
    run("cp", "-a", "--reflink=auto", place / "one.jpg", place / "copy.jpg")
    stored = tell(shared_mount, place, {"one.jpg": jpeg(1), "copy.jpg": jpeg(1)})
    assert stored["one.jpg"].asset_id != stored["copy.jpg"].asset_id
    assert annotations(place / "copy.jpg") == said
    assert (place / "copy.jpg").stat().st_mtime_ns == OLD_NS


def test_cp_of_what_is_newer_only(shared_mount: Mount, place: Path, source: Path) -> None:
    run("cp", "-pu", *source.iterdir(), place)
    before = tell(shared_mount, place, PICTURES)
    (source / "two.jpg").write_bytes(jpeg(4))
    run("cp", "-pu", *source.iterdir(), place)
    after = tell(shared_mount, place, {**PICTURES, "two.jpg": jpeg(4)})
    assert after["one.jpg"] == before["one.jpg"]
    assert after["two.jpg"].entry_id == 2


def test_mv_across_file_systems(shared_mount: Mount, place: Path, source: Path) -> None:
    os.setxattr(source / "one.jpg", "user.phone", b"Android")
    run("mv", *source.iterdir(), place)
    tell(shared_mount, place, PICTURES)
    assert os.getxattr(place / "one.jpg", "user.phone") == b"Android"
    assert (place / "one.jpg").stat().st_mtime_ns == OLD_NS
    assert not list(source.iterdir())


@pytest.mark.semantics("A flush of an image that is not whole is EBADMSG")
def test_mv_of_a_truncated_picture_keeps_its_source(shared_mount: Mount, place: Path, source: Path) -> None:
    (source / "one.jpg").write_bytes(jpeg(1)[:-2])
    assert b"Bad message" in run("mv", *source.iterdir(), place, code=1).stderr
    assert [(path.name, path.read_bytes()) for path in source.iterdir()] == [("one.jpg", jpeg(1)[:-2])]
    tell(shared_mount, place, {"two.jpg": jpeg(2)}, drafts={"one.jpg": "incomplete"})
    assert (place / "one.jpg").read_bytes() == jpeg(1)[:-2]


def test_mv_of_a_text_keeps_its_source(shared_mount: Mount, place: Path, source: Path) -> None:
    (source / "notes").write_text("hello")
    assert b"Wrong medium type" in run("mv", *source.iterdir(), place, code=1).stderr
    assert [path.name for path in source.iterdir()] == ["notes"]
    tell(shared_mount, place, PICTURES)


@pytest.fixture
def web_server() -> Iterator[str]:
    """The address of a server that has pictures, `/cut.jpg` shorter than it says, and texts."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = b"Not found\n" if self.path == "/text" else jpeg(1)
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:-20] if self.path == "/cut.jpg" else content)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_curl_notes_where_a_picture_is_from(shared_mount: Mount, place: Path, web_server: str) -> None:
    url = f"{web_server}/one.jpg"
    run("curl", "-sS", "--xattr", "--noproxy", "*", "-o", place / "one.jpg", url)
    assert tell(shared_mount, place, {"one.jpg": jpeg(1)})["one.jpg"].source == "URL"
    assert os.getxattr(place / "one.jpg", "user.xdg.origin.url") == url.encode()
    assert os.getxattr(place / "one.jpg", "user.mime_type") == b"image/jpeg"


def test_curl_is_told_that_a_page_is_no_picture(shared_mount: Mount, place: Path, web_server: str) -> None:
    run("curl", "-sS", "--noproxy", "*", "-o", place / "one.jpg", f"{web_server}/text", code=23)
    tell(shared_mount, place, {})


def test_curl_continues_a_picture_that_was_cut_off(shared_mount: Mount, place: Path, web_server: str) -> None:
    run("curl", "-sS", "--noproxy", "*", "-o", place / "one.jpg", f"{web_server}/cut.jpg", code=18)
    tell(shared_mount, place, {}, drafts={"one.jpg": "incomplete"})
    with (place / "one.jpg").open("ab") as stream:
        stream.write(jpeg(1)[-20:])
    tell(shared_mount, place, {"one.jpg": jpeg(1)})


@pytest.mark.parametrize("options", [[], ["--overwrite"], ["--unlink-first"], ["--recursive-unlink"]])
def test_tar_over_what_is_there(
    shared_mount: Mount, place: Path, source: Path, tmp_path: Path, options: list[str]
) -> None:
    run("tar", "-C", source, "-cf", tmp_path / "all.tar", ".")
    for _ in range(2):
        run("tar", "-C", place, "-xf", tmp_path / "all.tar", *options)
        stored = tell(shared_mount, place, PICTURES)
        assert (place / "one.jpg").stat().st_mtime_ns == OLD_NS
    assert {entry.entry_id for entry in stored.values()} == {2, 3}


def test_unzip_over_what_is_there(shared_mount: Mount, place: Path, source: Path, tmp_path: Path) -> None:
    run("zip", "-q", "-r", tmp_path / "all.zip", ".", cwd=source)
    for _ in range(2):
        run("unzip", "-qo", tmp_path / "all.zip", "-d", place)
        tell(shared_mount, place, PICTURES)
        assert (place / "one.jpg").stat().st_mtime_ns == OLD_NS


def test_unzip_is_told_that_a_text_is_no_picture(
    shared_mount: Mount, place: Path, source: Path, tmp_path: Path
) -> None:
    (source / "a-text").write_text("hello " * 3)
    run("zip", "-q", "-r", tmp_path / "all.zip", "a-text", *PICTURES, cwd=source)
    run("unzip", "-qo", tmp_path / "all.zip", "-d", place, code=50)
    tell(shared_mount, place, {})
    run("unzip", "-qo", tmp_path / "all.zip", *PICTURES, "-d", place)
    tell(shared_mount, place, PICTURES)


@pytest.mark.parametrize("options", [[], ["--inplace"], ["--partial"], ["--partial-dir=.part"], ["--delay-updates"]])
def test_rsync_and_again(shared_mount: Mount, place: Path, source: Path, options: list[str]) -> None:
    run("rsync", "-aX", *options, f"{source}/", place)
    said = annotate(place / "one.jpg")
    tell(shared_mount, place, PICTURES)
    assert (place / "one.jpg").stat().st_mtime_ns == OLD_NS
    (source / "one.jpg").write_bytes(jpeg(5, padding=200))
    (source / "two.jpg").write_bytes(jpeg(2)[:300] + jpeg(2)[300:])
    run("rsync", "-a", "--checksum", *options, f"{source}/", place)
    tell(shared_mount, place, {"one.jpg": jpeg(5, padding=200), "two.jpg": jpeg(2)})
    assert annotations(place / "one.jpg") == said
    assert not run("rsync", "-ai", *options, f"{source}/", place).stdout


def test_rsync_in_place_shortens_a_picture(shared_mount: Mount, place: Path, source: Path) -> None:
    (place / "one.jpg").write_bytes(jpeg(9, padding=2000))
    run("rsync", "-a", "--inplace", "--no-whole-file", source / "one.jpg", place)
    tell(shared_mount, place, {"one.jpg": jpeg(1)})


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (["--inplace"], {"big.jpg": "incomplete"}),
        (["--partial"], {}),
        (["--partial-dir=.part"], {".part/big.jpg": "local"}),
        ([], {}),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_rsync_goes_on_where_it_was_interrupted(
    shared_mount: Mount, place: Path, tmp_path: Path, options: list[str], left: dict[str, str]
) -> None:
    require("rsync")
    big = make_picture(ImageFormat.JPEG, (2000, 1500), quality=98)
    (tmp_path / "big.jpg").write_bytes(big)
    command: list[str | Path] = ["rsync", "-a", *options, tmp_path / "big.jpg", place]
    with subprocess.Popen([*command, "--bwlimit=300"], stderr=subprocess.DEVNULL) as slow:
        until = time.monotonic() + 60
        while not any(path.stat().st_size for path in place.iterdir()) and time.monotonic() < until:
            time.sleep(0.01)
        slow.send_signal(signal.SIGTERM)
        assert slow.wait(60)
    eventually(lambda: {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}, {*left})
    assert {name: state(place / name) for name in left} == left
    tell(shared_mount, place, {}, drafts={name: kept for name, kept in left.items() if "/" not in name})
    run(*command)
    tell(shared_mount, place, {"big.jpg": big})

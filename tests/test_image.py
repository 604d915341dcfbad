"""The steps of the Dockerfile, in roots that debootstrap makes: what they end with mounts, and is not root."""

import json
import os
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from tests.mount.elsewhere import PICTURE, wait_until

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 600
# What this machine's own apt and pip are told of where they get things, and whom to trust there.
WHERE_FROM: Final = ("etc/resolv.conf", "etc/hosts", "etc/apt/apt.conf.d", "etc/pip.conf")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root makes roots"),
    pytest.mark.timeout(3 * SECONDS),
]

CERTIFICATES: Final = "/etc/here.pem"
GIVEN: Final = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}

# $1 is the root; the rest is run there, by whom $2 says, with what a container has.
INSIDE: Final = """
set -eu
mount --make-rprivate /
mount --rbind "$1" "$1"
cd "$1"
mount -t proc proc proc
mount -t tmpfs tmpfs dev
for name in null zero random urandom; do touch "dev/$name"; mount --bind "/dev/$name" "dev/$name"; done
# As udev has it.
mknod -m 666 dev/fuse c 10 229
ln -s /proc/self/fd dev/fd
user=$2
shift 2
exec chroot "--userspec=$user" . "$@"
"""


@dataclass(slots=True)
class Stage:
    """What a FROM begins: a root, and what holds for what runs in it. `words` are those of ENTRYPOINT and the like."""

    root: Path
    environ: dict[str, str] = field(
        default_factory=lambda: {**GIVEN, "PIP_CERT": CERTIFICATES, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    )
    user: str = "0"
    words: dict[str, list[str]] = field(default_factory=dict)

    def start(self, *command: str) -> "subprocess.Popen[bytes]":
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", INSIDE, "sh"]
        return subprocess.Popen([*isolated, str(self.root), self.user, *command], env=self.environ)

    def do(self, word: str, rest: str) -> None:
        """Do a step that needs no other stage."""
        if word == "RUN":
            assert self.start("sh", "-c", rest).wait(SECONDS) == 0, rest
        elif word == "ENV":
            name, _, value = rest.partition("=")
            self.environ[name] = value.replace("$PATH", self.environ["PATH"])
        elif word == "USER":
            self.user = rest
        elif word in {"HEALTHCHECK", "ENTRYPOINT", "CMD"}:
            self.words[word] = json.loads(rest[rest.index("[") :])
        else:
            assert word in {"VOLUME", "STOPSIGNAL"}

    def copy(self, origin: Path, sources: list[str], target: str) -> None:
        for source in sources:
            into = self.root / target.strip("/") / (Path(source).name if target.endswith("/") else "")
            into.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["cp", "-a", "-T", origin / source.strip("/"), into], check=True, timeout=SECONDS)


def read_steps() -> Iterator[tuple[str, str]]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield word, rest


def build(place: Path, base: Path) -> Stage:
    """Do all steps; gives the last stage."""
    stages: dict[str, Stage] = {}
    for word, rest in read_steps():
        parts = rest.split()
        if word == "FROM":
            stages[parts[-1]] = stage = Stage(place / str(len(stages)))
            subprocess.run(["cp", "-a", base, stage.root], check=True, timeout=SECONDS)
        elif word == "COPY":
            origin = stages[parts.pop(0).removeprefix("--from=")].root if parts[0].startswith("--") else ROOT
            stage.copy(origin, parts[:-1], parts[-1])
        else:
            stage.do(word, rest)
    return stage


def test_the_image_mounts_and_is_not_root(tmp_path: Path) -> None:
    base = tmp_path / "base"
    subprocess.run(
        ["debootstrap", "--variant=minbase", "bookworm", base], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL
    )
    shutil.copyfile(ssl.get_default_verify_paths().cafile or "", base / CERTIFICATES.strip("/"))
    told = [name for name in WHERE_FROM if Path("/", name).exists()]
    subprocess.run(["cp", "-a", "--parents", *told, base], check=True, timeout=SECONDS, cwd="/")
    image = build(tmp_path, base)
    shutil.chown(image.root / "mnt", 1000)
    process = image.start(*image.words["ENTRYPOINT"], *image.words["CMD"])
    try:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        wait_until(children.read_text)
        mounts = Path(f"/proc/{children.read_text().strip()}")
        wait_until(lambda: "fuse.konifer-fs" in (mounts / "mounts").read_text())
        seen = mounts / "root/mnt/tree.jpeg"
        seen.write_bytes(PICTURE)
        assert seen.read_bytes() == PICTURE
        assert (image.root / "data").stat().st_uid == 1000
        entered = ["nsenter", f"--target={mounts.name}", "--mount", "--pid"]
        as_user = ["chroot", "--userspec=1000", str(mounts / "root")]
        subprocess.run(
            [*entered, *as_user, *image.words["HEALTHCHECK"]], env=image.environ, check=True, timeout=SECONDS
        )
        os.kill(int(mounts.name), signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    finally:
        process.kill()
        process.wait(SECONDS)

"""The words behind `-o`."""

import pytest

from konifer_fs_daemon.options import MountOptions, OptionError, parse_options


def test_every_word_is_read() -> None:
    options = parse_options(
        ["ro,root_squash,allow_other,show_virtual", "uid=1000,gid=100,umask=027", "noexec,fsname=/etc/k.conf"]
    )
    assert options == MountOptions(
        read_only=True, root_squash=True, allow_other=True, show_virtual=True,
        uid=1000, gid=100, umask=0o027, source="/etc/k.conf", kernel=frozenset({"noexec"}),
    )  # fmt: skip


def test_the_usual_words_of_fstab_change_nothing() -> None:
    fstab = "rw,defaults,noauto,nofail,_netdev,nosuid,nodev,x-systemd.automount,x-gvfs-show"
    assert parse_options([fstab, "users,relatime,strictatime,lazytime,async", "", " , "]) == MountOptions()


def test_the_later_of_two_words_wins() -> None:
    assert not parse_options(["ro,rw"]).read_only
    assert parse_options(["uid=1", "uid=2"]).uid == 2


@pytest.mark.parametrize(
    "word",
    ["sudi", "suid", "dev", "uid", "uid=", "uid=root", "uid=-1", "uid=4294967295", "umask=8", "umask=1777", "ro=1",
     "fsname="],
)  # fmt: skip
def test_what_is_not_understood_is_named(word: str) -> None:
    with pytest.raises(OptionError, match=f"-o {word}"):
        parse_options([f"ro,{word}"])


def test_root_is_squashed_only_where_others_are_let_in() -> None:
    with pytest.raises(OptionError, match="only with allow_other"):
        parse_options(["root_squash"])
    assert parse_options(["root_squash", "allow_other"]).root_squash

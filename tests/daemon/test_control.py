"""Commands over a real socket: the server in trio, the client in a thread as in another process."""

import socket
import stat
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import trio

from konifer_fs_daemon.control import Command, Message, NobodyAnswers, Tell, ask, serve_control

T = TypeVar("T")


async def count(_: Message, tell: Tell) -> None:
    for number in range(3):
        await tell({"number": number})
        await trio.lowlevel.checkpoint()


async def fail(_: Message, tell: Tell) -> None:
    await tell({"so": "far"})
    raise ValueError("a bug")


COMMANDS: Mapping[str, Command] = {"count": count, "fail": fail}


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c") / "control.sock"


def while_served(path: Path, work: Callable[[], T]) -> T:
    """Give what `work`, run in a thread, returns while the commands are served at `path`."""

    async def run() -> T:
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, path, COMMANDS)
            with trio.fail_after(30):
                done = await trio.to_thread.run_sync(work)
            nursery.cancel_scope.cancel()
        return done

    return trio.run(run)


def ask_all(path: Path, command: str) -> list[Message]:
    return list(ask(path, command))


def test_answers_come_one_by_one(path: Path) -> None:
    assert while_served(path, partial(ask_all, path, "count")) == [{"number": 0}, {"number": 1}, {"number": 2}]


def test_an_unknown_command_is_told_the_known_ones(path: Path) -> None:
    assert while_served(path, partial(ask_all, path, "dance")) == [{"error": "the commands are count, fail"}]


def test_a_command_that_fails_ends_its_answer_and_nothing_else(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def work() -> list[Message]:
        assert ask_all(path, "fail") == [{"so": "far"}]
        return ask_all(path, "count")

    assert len(while_served(path, work)) == 3
    assert "a command failed" in caplog.text


@pytest.mark.parametrize("line", [b"", b"\n", b"rubbish\n", b"[]\n", b'{"command"', b'{"command": 3}\n', b"x" * 10_000])
def test_rubbish_harms_nobody(path: Path, line: bytes) -> None:
    def work() -> list[Message]:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(line)
        return ask_all(path, "count")

    assert len(while_served(path, work)) == 3


def test_a_client_that_leaves_early_harms_nobody(path: Path) -> None:
    def work() -> list[Message]:
        assert next(ask(path, "count")) == {"number": 0}
        return ask_all(path, "count")

    assert len(while_served(path, work)) == 3


def test_the_socket_is_private_and_gone_at_the_end(path: Path) -> None:
    mode = while_served(path, lambda: stat.S_IMODE(path.stat().st_mode))
    assert mode == 0o600
    assert not list(path.parent.iterdir())


def test_what_a_dead_daemon_left_is_replaced(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NobodyAnswers):
        ask_all(path, "count")
    assert len(while_served(path, partial(ask_all, path, "count"))) == 3


def test_asking_where_nobody_listens_says_so(path: Path) -> None:
    with pytest.raises(NobodyAnswers):
        ask_all(path, "count")

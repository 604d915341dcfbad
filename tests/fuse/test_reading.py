"""Who reads the kernel's requests, tried without a kernel: a pipe is the connection."""

import contextlib
import os
from collections.abc import Iterator

import pyfuse3
import pytest
import trio
import trio.testing

from konifer_fs.fuse.reading import Reader


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    monkeypatch.setattr(pyfuse3, "trio", trio)
    ends = os.pipe()
    yield ends
    for end in ends:
        with contextlib.suppress(OSError):
            os.close(end)


async def serve(reader: Reader, descriptor: int, answered: list[str], block: trio.Event | None = None) -> None:
    """Read as pyfuse3's tasks do; with `block`, the first answer waits for it."""
    name = trio.lowlevel.current_task().name
    while True:
        try:
            async with reader:
                await pyfuse3.trio.lowlevel.wait_readable(descriptor)  # type: ignore[attr-defined]
        except trio.ClosedResourceError:
            answered.append(f"{name} ended")
            return
        os.read(descriptor, 1)
        if block is not None:
            reader.begin_waiting()
            await block.wait()
            reader.end_waiting()
            block = None
        answered.append(name)


def test_a_task_reads_on_and_the_others_only_while_it_waits(connection: tuple[int, int]) -> None:
    descriptor, kernel = connection
    answered: list[str] = []

    async def play() -> None:
        reader = Reader()
        reader.install()
        block = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve, reader, descriptor, answered, block, name="one")
            await trio.testing.wait_all_tasks_blocked(0.01)
            nursery.start_soon(serve, reader, descriptor, answered, name="two")
            await trio.testing.wait_all_tasks_blocked(0.01)
            for _ in range(3):
                os.write(kernel, b"x")
                await trio.testing.wait_all_tasks_blocked(0.01)
            assert answered == ["two", "two"]
            block.set()
            await trio.testing.wait_all_tasks_blocked(0.01)
            os.write(kernel, b"x")
            await trio.testing.wait_all_tasks_blocked(0.01)
            assert answered == ["two", "two", "one", "two"]
            nursery.cancel_scope.cancel()

    trio.run(play)


def test_when_it_is_told_to_end_no_task_waits_for_one_that_has_ended(
    connection: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load nobody waits for the connection: the one task that reads finds out, the others must be told."""
    descriptor, kernel = connection
    monkeypatch.setattr(pyfuse3, "terminate", lambda: None)
    ended: list[str] = []

    async def play() -> None:
        reader = Reader()
        reader.install()

        async def serve_one() -> None:
            async with reader:
                await pyfuse3.trio.lowlevel.wait_readable(descriptor)  # type: ignore[attr-defined]
            reader.terminate()
            ended.append("one")

        async def wait() -> None:
            async with reader:
                ended.append("two")

        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve_one)
                await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.start_soon(wait)
                await trio.testing.wait_all_tasks_blocked(0.01)
                os.write(kernel, b"x")

    trio.run(play)
    assert ended == ["one", "two"]


def test_when_the_connection_is_gone_every_task_ends(connection: tuple[int, int]) -> None:
    descriptor, kernel = connection
    answered: list[str] = []

    async def play() -> None:
        reader = Reader()
        reader.install()
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for name in ("one", "two", "three"):
                    nursery.start_soon(serve, reader, descriptor, answered, name=name)
                await trio.testing.wait_all_tasks_blocked(0.01)
                os.close(kernel)

    trio.run(play)
    assert sorted(answered) == ["one ended", "three ended", "two ended"]

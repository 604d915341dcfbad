"""What a mount answers on its control socket, and where it is made."""

import threading
from types import SimpleNamespace
from typing import Any

import trio

from konifer_fs_daemon.control import Message
from konifer_fs_daemon.replies import replies


def test_drafts_are_gone_over_beside_the_event_loop() -> None:
    """There may be ten thousand, and whoever uses the mount would wait."""
    threads: list[threading.Thread] = []
    told: list[Message] = []

    def list_drafts() -> list[Any]:
        threads.append(threading.current_thread())
        return []

    async def tell(message: Message) -> None:
        told.append(message)

    wired: Any = SimpleNamespace(filesystem=SimpleNamespace(list_drafts=list_drafts))
    request: Any = SimpleNamespace()
    trio.run(replies(request, wired)["drafts"], {}, tell)
    assert told == [{"drafts": []}]
    assert threading.main_thread() not in threads

"""Replies go to an address that goes with the connection to the bus: who waits when that is lost is told."""

import asyncio
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.codec import load_event
from hookfetch.core.events import TrackRequested
from hookfetch.core.jobs import Progress, Reply
from hookfetch.core.ports import Handler, Inbox, Message
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.requests import Requests
from tests.server.grpc.gateway_lab import until


class MovingBus(MemoryBus):
    """Its inboxes have another address from now on, as a broker's have after an outage."""

    def __init__(self, dead: Path) -> None:
        super().__init__(dead)
        self.moved = asyncio.Event()

    async def inbox(self, handler: Handler) -> Inbox:
        made = await super().inbox(handler)
        moved = self.moved

        class Moving:
            @property
            def address(self) -> str:
                return "elsewhere" if moved.is_set() else made.address

            async def cancel(self) -> None:
                await made.cancel()

        return Moving()


async def asked(folder: Path) -> tuple[MovingBus, Requests, list[str]]:
    """Return a bus with requests over it, and the types of the events that a silent coordinator had."""
    bus, had = MovingBus(folder / "dead"), list[str]()

    async def handle(message: Message) -> None:
        had.append(load_event(message.body).type)

    async def on_active() -> None:
        return None

    await bus.start()
    await bus.coordinate("gnome", handle, on_active)
    requests = Requests(bus, look_seconds=0.02)
    await requests.open()
    return bus, requests, had


def make(key: str, inbox: str) -> TrackRequested:
    return TrackRequested(id=key, element="a.bst", reply_to=inbox)


async def test_it_is_told_to_ask_again_and_what_it_asked_for_is_withdrawn(tmp_path: Path) -> None:
    bus, requests, had = await asked(tmp_path)
    asking = asyncio.create_task(requests.ask("gnome", make))
    await until(lambda: had == ["track_requested"])
    bus.moved.set()
    with pytest.raises(Refused, match="the bus was away"):
        await asking
    await until(lambda: had == ["track_requested", "request_withdrawn"])
    assert requests.pending == 0
    await requests.close()
    await bus.close()


async def test_who_watches_is_left_without_an_error_to_ask_anew(tmp_path: Path) -> None:
    bus, requests, had = await asked(tmp_path)
    told: list[Progress | Reply] = []

    async def follow() -> None:
        told.extend([each async for each in requests.follow("gnome", make, quiet=30.0)])

    following = asyncio.create_task(follow())
    await until(lambda: had == ["track_requested"])
    bus.moved.set()
    await following
    assert told == []
    await requests.close()
    await bus.close()

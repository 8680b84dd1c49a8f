"""A gateway on a free port over the in-process bus, its client, and entries to announce."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.client import Client, RefUpdate, Watch
from hookfetch.core.codec import dump_record, dump_reply, load_event
from hookfetch.core.entries import LogEntry, RefUpdated
from hookfetch.core.events import FetchRequested, TrackRequested
from hookfetch.core.jobs import Change, Reply
from hookfetch.core.ports import Bus, Message
from hookfetch.core.sources import Ref
from hookfetch.server.grpc.server import GrpcServer

PROJECTS = ("gnome", "sdk")


def entry(
    number: int,
    element: str = "core/glib.bst",
    *,
    project: str = "gnome",
    log_id: str | None = None,
    ref: Ref = None,
) -> RefUpdated:
    change = Change(index=0, kind="git_repo", url="https://up.example/r", base=None, previous="old", ref=ref)
    return RefUpdated(
        log_id=log_id or f"log-{project}",
        number=number,
        project=project,
        element=element,
        changes=(change,),
        cached=True,
        element_key=f"key-{number}",
        source_keys=("source-key",),
        causes=(f"gitlab/{number}#0",),
        announced_at=1700000000.25 + number,
    )


async def announce(bus: Bus, *entries: LogEntry) -> None:
    for item in entries:
        await bus.publish_entry(Message(id=f"{item.project}/{item.number}", body=dump_record(item)))


async def until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


async def take(watch: Watch, count: int, seconds: float = 10.0) -> list[RefUpdate]:
    async with asyncio.timeout(seconds):
        return [await anext(watch) for _ in range(count)]


def keys(updates: list[RefUpdate]) -> list[str | None]:
    return [update.element_key for update in updates]


async def coordinate(
    bus: Bus, project: str, decide: Callable[[TrackRequested | FetchRequested], Reply | None]
) -> None:
    """Stand in for a project's coordinator: answer its requests with what `decide` returns."""

    async def handle(message: Message) -> None:
        event = load_event(message.body)
        assert isinstance(event, TrackRequested | FetchRequested)
        reply = decide(event)
        if reply is not None and event.reply_to is not None:
            await bus.publish_reply(event.reply_to, Message(id=event.id, body=dump_reply(reply)))

    async def on_active() -> None:
        return None

    await bus.coordinate(project, handle, on_active)


@dataclass
class Lab:
    bus: MemoryBus
    server: GrpcServer
    client: Client

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@asynccontextmanager
async def gateway(folder: Path, *before: RefUpdated, answer_seconds: float = 30.0) -> AsyncIterator[Lab]:
    """Yield a started gateway whose log held the entries `before` it started."""
    bus = MemoryBus(folder / "dead")
    await bus.start()
    await announce(bus, *before)
    server = GrpcServer(bus, PROJECTS, "127.0.0.1:0", progress_seconds=0.2, answer_seconds=answer_seconds)
    await server.start()
    try:
        async with Client(f"127.0.0.1:{server.port}") as client:
            yield Lab(bus, server, client)
    finally:
        await server.stop(0)
        await bus.close()

"""A door that is open, and senders who write to it byte by byte."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from hookfetch.server.door.answer import Answer
from hookfetch.server.door.house import Limits, Reply
from hookfetch.server.door.request import Head
from hookfetch.server.door.senders import Address
from hookfetch.server.http import HttpServer

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
SLOWEST = 5.0  # seconds in which everything here must have ended


class Echo:
    """Answers with the body's text, once it may."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.senders: list[str] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def route(self, head: Head, sender: Address) -> Reply:
        self.senders.append(str(sender))
        return self.reply

    async def reply(self, head: Head, body: bytes) -> Answer:
        self.bodies.append(body)
        await self.may_answer.wait()
        return Answer(200, {"body": body[:20].decode()})


class Wire:
    """A sender's socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def everything(self) -> bytes:
        """Return what comes until the door closes."""
        async with asyncio.timeout(SLOWEST):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def answer(self) -> bytes:
        """Return the next answer's head and body."""
        async with asyncio.timeout(SLOWEST):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            return head + await self.reader.readexactly(length)


Connect = Callable[[], Awaitable[Wire]]


@asynccontextmanager
async def serving(application: object, **limits: object) -> AsyncIterator[Connect]:
    server = HttpServer(application, "127.0.0.1:0", Limits(**limits))  # type: ignore[arg-type]
    await server.start()
    opened: list[Wire] = []

    async def connect() -> Wire:
        wire = Wire(*await asyncio.open_connection("127.0.0.1", server.port))
        opened.append(wire)
        return wire

    try:
        yield connect
    finally:
        await server.stop()
        for wire in opened:
            wire.writer.close()


async def ask(connect: Connect, data: bytes) -> bytes:
    wire = await connect()
    wire.send(data)
    return await wire.everything()

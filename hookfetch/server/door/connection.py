"""One connection: bytes in, one request at a time to the application, its answer out.

Each state has a deadline that the server looks at (`expire`), so a sender that is silent or
slow costs a socket for a bounded time and never a task: those exist only while a whole
request is being answered.
"""

import asyncio
import time
from enum import Enum, auto

import structlog

from hookfetch.server.door.answer import Answer, Refused, answer_bytes, refusal
from hookfetch.server.door.chunked import Chunked
from hookfetch.server.door.house import House, Reply
from hookfetch.server.door.request import Head, parse_head
from hookfetch.server.door.senders import Address, sender_address

# Seconds in which a sender may read the answer to a request whose rest nobody reads.
LINGER_SECONDS = 2.0
# Bytes that may stand behind a request before its answer; then the connection ends with that answer.
# No forge writes ahead, and each request among many would cost a copy of all behind it.
AHEAD_BYTES = 64 * 1024
_LOGGED_PATH = 64  # characters of a path that nobody configured
_FOREVER = float("inf")

_log = structlog.get_logger(__name__)


class _State(Enum):
    HEAD = auto()
    BODY = auto()
    BUSY = auto()
    CLOSING = auto()


class Connection(asyncio.Protocol):
    """Speaks HTTP/1.1 with one sender, within the limits of `house`."""

    def __init__(self, house: House) -> None:
        self.task: asyncio.Task[None] | None = None
        self._house = house
        self._limits = house.limits
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._peer: Address | None = None
        self._is_inside = False
        self._state = _State.HEAD
        self._deadline = _FOREVER
        self._buffer = b""
        self._has_ended = False  # the sender sends no more
        self._head_began = False
        self._head: Head | None = None
        self._sender: Address | None = None
        self._reply: Reply | None = None
        self._chunked: Chunked | None = None
        self._body: bytes | bytearray = b""
        self._held = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the sender in, or tell him why not before anything of his is read."""
        assert isinstance(transport, asyncio.Transport)
        peername = transport.get_extra_info("peername")
        peer = sender_address(peername[0]) if peername else None
        if peer is None or self._house.is_overrun:  # no peer: it has gone already
            self._state = _State.CLOSING
            transport.abort()
            return
        self._transport = transport
        self._house.connections.add(self)
        self._deadline = self._loop.time() + self._limits.head_seconds
        try:
            self._house.enter(peer)
        except Refused as refused:
            self._send(refusal(refused))
            return
        self._peer = peer
        self._is_inside = True

    def connection_lost(self, _: Exception | None) -> None:
        """Forget the sender. What is being answered is finished all the same."""
        self._house.connections.discard(self)
        if self._is_inside and self._peer is not None:
            self._is_inside = False
            self._house.leave(self._peer)
        if self._state is _State.BODY:
            self._log_refused(Refused(400, "broken_off"))
        if self._state is not _State.BUSY:
            self._forget_request()
            self._state = _State.CLOSING
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """Take what the sender wrote; while he waits for an answer, no more than this."""
        if self._state is _State.CLOSING:
            return
        self._buffer = self._buffer + data if self._buffer else data
        if self._state is _State.BUSY:
            assert self._transport is not None
            self._transport.pause_reading()
            return
        self._advance()

    def eof_received(self) -> bool:
        """Answer what came whole; refuse what did not."""
        self._has_ended = True
        if self._state is _State.BODY:
            self._refuse(Refused(400, "broken_off", closes=True))
        return self._state is _State.BUSY  # the transport stays open until the answer is sent

    def pause_writing(self) -> None:
        """Give up a sender that sends requests and reads no answers."""
        if self._transport is not None:
            self._transport.abort()

    def expire(self, now: float) -> None:
        """End what has taken too long at `now`, in the loop's time."""
        if now < self._deadline or self._transport is None:
            return
        if self._state is _State.CLOSING:
            self._transport.abort()
        elif self._state is _State.HEAD and not self._buffer:
            self._close()
        else:
            self._refuse(Refused(408, "too_slow", closes=True))

    def stop(self) -> None:
        """Close the connection unless a request is being answered, which closes it afterwards."""
        if self._state is _State.HEAD and not self._buffer:
            self._close()

    def abort(self) -> None:
        """Close the connection at once."""
        if self.task is not None:
            self.task.cancel()
        if self._transport is not None:
            self._transport.abort()

    def _advance(self) -> None:
        try:
            if self._state is _State.HEAD and not self._read_head():
                return
            if self._state is _State.BODY and not self._read_body():
                return
        except Refused as refused:
            self._refuse(refused)
            return
        self._state = _State.BUSY
        self._deadline = _FOREVER
        self.task = self._loop.create_task(self._answer())

    def _read_head(self) -> bool:
        limits, buffer = self._limits.head, self._buffer
        end = buffer.find(b"\r\n\r\n", 0, limits.size + 4)
        if end < 0:
            if b"\r\n" not in buffer[: limits.line + 2] and len(buffer) > limits.line:
                raise Refused(414, "line_too_large", closes=True)
            if len(buffer) > limits.size:
                raise Refused(431, "headers_too_large", closes=True)
            if not self._head_began:  # the clock runs from the first byte, however slowly the others follow
                self._head_began = True
                self._deadline = self._loop.time() + self._limits.head_seconds
            return False
        self._head = head = parse_head(buffer[:end], limits)
        self._buffer = buffer[end + 4 :]
        assert self._peer is not None
        self._sender = self._house.enter_request(self._peer, head)
        self._reply = self._house.application.route(head, self._sender)
        if (head.length or 0) > self._limits.max_body:
            raise Refused(413, "too_large", closes=True)
        self._chunked = Chunked() if head.length is None else None
        self._state = _State.BODY
        self._deadline = self._loop.time() + self._limits.body_seconds
        if head.expects_continue and not self._buffer and head.length != 0:
            assert self._transport is not None
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _read_body(self) -> bool:
        assert self._head is not None
        data = self._buffer
        if self._chunked is None:
            wanted = (self._head.length or 0) - self._held
            piece, self._buffer = data[:wanted], data[wanted:]
            ended = len(piece) == wanted
        else:
            piece, self._buffer = self._chunked.feed(data), b""
            ended = self._chunked.ended
            if ended:
                self._buffer = self._chunked.rest
        if self._held + len(piece) > self._limits.max_body:
            raise Refused(413, "too_large", closes=True)
        self._house.hold(len(piece))
        self._held += len(piece)
        if not self._body:
            self._body = piece  # most bodies come in one piece with their headers
        elif piece:
            # Not a list of pieces: a sender of single bytes would have us keep an object for each.
            self._body = self._body if isinstance(self._body, bytearray) else bytearray(self._body)
            self._body += piece
        return ended

    async def _answer(self) -> None:
        assert self._head is not None
        assert self._reply is not None
        try:
            answer = await self._reply(self._head, bytes(self._body))
        except Exception:  # noqa: BLE001 (logged; whatever it was, this connection is of no more use)
            _log.exception("not_answered", path=self._head.path[:_LOGGED_PATH])
            answer = refusal(Refused(503, "unavailable", closes=True))
        finally:
            self.task = None
            self._body = b""
            if self._transport is None:
                self._forget_request()
        if self._transport is not None:
            self._send(answer)

    def _refuse(self, refused: Refused) -> None:
        self._log_refused(refused)
        if self._head is not None and self._head.length != 0:
            refused.closes = True  # its body is not wanted
        self._send(refusal(refused))

    def _log_refused(self, refused: Refused) -> None:
        path = self._head.path[:_LOGGED_PATH] if self._head is not None else None
        sender = self._sender or self._peer
        _log.info("refused", path=path, sender=str(sender) if sender else None, code=refused.code)

    def _send(self, answer: Answer) -> None:
        assert self._transport is not None
        head = self._head
        closes = answer.closes or head is None or not head.keeps_alive or self._house.stopping
        closes = closes or len(self._buffer) > AHEAD_BYTES
        bodiless = head is not None and head.method == "HEAD"
        self._transport.write(answer_bytes(answer, time.time(), closes=closes, bodiless=bodiless))
        self._forget_request()
        if closes or self._has_ended:
            self._linger()
            return
        self._state = _State.HEAD
        self._deadline = self._loop.time() + self._limits.idle_seconds
        if self._buffer:
            self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._state is _State.HEAD and self._transport is not None:
            self._transport.resume_reading()
            self._advance()

    def _forget_request(self) -> None:
        self._house.release(self._held)
        self._held = 0
        self._head_began = False
        if self._sender is not None and self._peer is not None:
            self._house.leave_request(self._peer, self._sender)
        self._head = self._sender = self._reply = self._chunked = None
        self._body = b""

    def _linger(self) -> None:
        # Closed with bytes unread, the socket would be reset, and the answer lost with it.
        assert self._transport is not None
        self._state = _State.CLOSING
        self._buffer = b""
        if self._has_ended:
            self._transport.close()
            return
        self._transport.write_eof()
        self._transport.resume_reading()
        self._deadline = self._loop.time() + LINGER_SECONDS

    def _close(self) -> None:
        self._state = _State.CLOSING
        if self._transport is not None:
            self._transport.close()

"""What the door answers: a status, a few bytes of JSON, and nothing of what runs here. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

RETRY_AFTER = 10  # seconds


class Refused(Exception):
    """A request that is refused with a bare `status`; `closes` when the rest of it is not wanted,
    `allow` names the methods that a 405 would take."""

    def __init__(self, status: int, code: str, *, closes: bool = False, allow: str | None = None) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.closes = closes
        self.allow = allow


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: its `content` is sent as JSON; `closes` ends the connection after it."""

    status: int
    content: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    closes: bool = False


def refusal(refused: Refused) -> Answer:
    """Return the answer to a request that is refused: its code, and when to come back."""
    headers = {"Retry-After": str(RETRY_AFTER)} if refused.status in {429, 503} else {}
    if refused.allow is not None:
        headers["Allow"] = refused.allow
    return Answer(refused.status, {"error": refused.code}, headers, refused.closes)


def answer_bytes(answer: Answer, now: float, *, closes: bool, bodiless: bool = False) -> bytes:
    """Return `answer` as it goes over the wire at `now` (Unix seconds); `bodiless` for HEAD.

    RFC 9110, 6.6.1 wants the Date; the Server header it makes optional.
    """
    body = json.dumps(answer.content).encode("ascii")
    head = (
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
        f"Date: {_date(int(now))}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    for name, text in answer.headers.items():
        head += f"{name}: {text}\r\n"
    if closes:
        head += "Connection: close\r\n"
    return f"{head}\r\n".encode("ascii") + (b"" if bodiless else body)


@lru_cache(maxsize=1)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)

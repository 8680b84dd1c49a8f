"""What a few new commits are made of, asked of an http(s) upstream over a connection that stays open: one
question for the ref, one for its pack, and no process.

gitprotocol-v2(5). It serves the usual: a server that speaks version 2 without a password, knows what is had,
and needs to send little. Whatever else there is answers `NotThisWay`, and git itself asks again. It writes no
file.
"""

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import urllib3
from buildstream_plugins_community.sources._utils import (  # type: ignore[import-untyped]
    get_netrc_credentials,
)
from dulwich.errors import GitProtocolError, HangupException
from dulwich.protocol import Protocol, pkt_line

from hookfetch.engine.fetching.connections import connections_to, place_of

MOST_BYTES = 8 * 1024 * 1024  # of an answer; for more git's own process is no loss
_COMMIT = re.compile(rb"[0-9a-f]{40}")
_RESULT = "application/x-git-upload-pack-result"
_HEADERS = {
    "Content-Type": "application/x-git-upload-pack-request",
    "Accept": _RESULT,
    "Git-Protocol": "version=2",
}
_DELIMITER, _FLUSH = b"0001", b"0000"
_PACK, _ERROR = 1, 3  # channels of a side band; 2 is talk


class NotThisWay(Exception):
    """This upstream, or this fetch, is one for git itself; not shown to anyone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server sent: the commit, or the tag's own object, as 40 hex digits, and its pack, which leaves
    out what was had and may stand on it; empty if all was had."""

    tip: str
    pack: bytes


class Wire:
    """The way to upstreams, for any number of threads."""

    def __init__(self) -> None:
        self._other: set[str] = set()  # hosts that answered in no way that this understands

    def fetch(self, url: str, what: str, have: Callable[[str], Iterable[str] | None]) -> Answer:
        """Return what the full ref `what`, or the commit of that name, is at `url`. `have` is given the tip
        and tells commits that are there, newest first, None if the tip is; NotThisWay as above."""
        try:
            tip = what if _COMMIT.fullmatch(what.encode()) else self._tip(url, what)
            had = have(tip)
            return Answer(tip, b"" if had is None else self._pack(url, tip, list(had)))
        except (urllib3.exceptions.HTTPError, GitProtocolError, HangupException, OSError) as error:
            raise NotThisWay(f"{type(error).__name__}: {error}") from error

    def _tip(self, url: str, ref: str) -> str:
        asked = pkt_line(b"command=ls-refs\n") + _DELIMITER + pkt_line(f"ref-prefix {ref}\n".encode())
        for line in self._ask(url, asked + _FLUSH).read_pkt_seq():
            tip, _, name = line.rstrip(b"\n").partition(b" ")
            if name == ref.encode() and _COMMIT.fullmatch(tip):
                return str(tip.decode())
        raise NotThisWay(f"no {ref}")

    def _pack(self, url: str, tip: str, had: list[str]) -> bytes:
        if not had:
            raise NotThisWay("all of it is new")
        # Without `done` a server that finds nothing in common says so, in place of sending all there is.
        lines = [f"want {tip}\n", *(f"have {commit}\n" for commit in had)]
        options = [b"thin-pack\n", b"ofs-delta\n", b"no-progress\n"]
        asked = [pkt_line(b"command=fetch\n"), _DELIMITER]
        asked += map(pkt_line, (*options, *(line.encode() for line in lines)))
        answer = self._ask(url, b"".join(asked) + _FLUSH)
        said = [line.rstrip(b"\n") for line in answer.read_pkt_seq()]
        if said[:1] != [b"acknowledgments"] or b"ready" not in said:
            raise NotThisWay("nothing in common")
        if (answer.read_pkt_line() or b"").rstrip(b"\n") != b"packfile":
            raise NotThisWay("no pack")
        return b"".join(_pieces(answer))

    def _ask(self, url: str, body: bytes) -> Protocol:
        parts, place = urlsplit(url), place_of(url)
        if parts.scheme not in ("http", "https") or parts.username or get_netrc_credentials(url):
            raise NotThisWay("not an open http(s) server")
        if place in self._other:
            raise NotThisWay("a server that does not speak version 2")
        connections = connections_to(url)
        response = connections.request(
            "POST",
            f"{url.rstrip('/')}/git-upload-pack",
            body=body,
            headers={**connections.headers, **_HEADERS},  # some forges answer only who calls itself git
            preload_content=False,
            redirect=False,
            retries=False,  # git asks again
        )
        try:
            content: bytes = response.read(MOST_BYTES + 1)
        except BaseException:
            response.close()
            raise
        if len(content) > MOST_BYTES:
            response.close()
            raise NotThisWay("a large answer")
        response.release_conn()
        kind = response.headers.get("Content-Type", "")
        if response.status == 200 and kind != _RESULT:
            self._other.add(place)
        if response.status != 200 or kind != _RESULT:
            raise NotThisWay(f"{response.status} {kind}")
        return Protocol(io.BytesIO(content).read, _no_writing)


def _pieces(answer: Protocol) -> Iterator[bytes]:
    for packet in answer.read_pkt_seq():
        channel, piece = packet[:1], packet[1:]
        if channel == bytes([_PACK]):
            yield piece
        elif channel == bytes([_ERROR]):
            raise NotThisWay(piece.decode(errors="replace"))


def _no_writing(_: bytes) -> None:
    raise AssertionError("an answer is only read")

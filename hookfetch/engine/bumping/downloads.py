"""Files of a release over HTTP: within bounds of bytes and time, and from no address that the project may not
connect to (`engine/egress/guarded_sockets`, which holds all sockets of a worker process).

A file lies under a name of its own until it was checked; what is broken off leaves none.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import requests
import urllib3

from hookfetch.core.archives import HEAD
from hookfetch.core.moves import NotMoved
from hookfetch.engine.egress.guarded_sockets import NotNamed

_PIECE = 256 * 1024  # bytes
_MOST_TEXT = 1024 * 1024  # bytes of a list of checksums
_ANSWER_WITHIN = 30.0  # seconds without a byte
_MOST_REDIRECTS = 5
_DEEPEST = 64  # errors within an error
# What is packed is not unpacked: the checksum is that of the bytes that were published.
_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "hookfetch (releases)"}


@dataclass(frozen=True, slots=True)
class Downloaded:
    """A file at `path`: its SHA-256, its first bytes, and the ETag that its server gave."""

    path: Path
    digest: str
    head: bytes
    etag: str | None


class Downloads:
    """Downloads for one move: each file has at most `most` bytes, and all of it `within` seconds."""

    def __init__(self, most: int, within: float) -> None:
        self._most = most
        self._until = time.monotonic() + within
        self._within = within
        self._session = requests.Session()
        self._session.max_redirects = _MOST_REDIRECTS
        self._session.headers.update(_HEADERS)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def is_there(self, url: str) -> str | None:
        """Return None for a file that the server has, or of which it does not tell without sending it; else
        why not. NotMoved when it may not be downloaded at all."""
        with self._asked("HEAD", url) as response:
            if response.status_code in (403, 405, 501):  # not every server takes the question
                return None
            if response.status_code == 200:
                self._require_bounded(url, response)
                return None
            return f"{url} is not there: HTTP {response.status_code}"

    def fetch(self, url: str, folder: Path) -> Downloaded:
        """Have the file at `url` below `folder`; NotMoved, saying whether it may come yet, when it cannot be
        had."""
        with self._asked("GET", url) as response:
            if response.status_code != 200:
                raise NotMoved(f"{url} is not there: HTTP {response.status_code}", waits=True)
            self._require_bounded(url, response)
            folder.mkdir(parents=True, exist_ok=True)
            partial = folder / f"release.{os.getpid()}.partial"
            try:
                return self._written(url, response, partial)
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def text(self, url: str) -> str | None:
        """Return a small text, None where there is none, or none that can be had."""
        try:
            with self._asked("GET", url) as response:
                if response.status_code != 200:
                    return None
                content = b""
                for piece in response.raw.stream(_PIECE, decode_content=False):
                    content += piece
                    if len(content) > _MOST_TEXT or time.monotonic() > self._until:
                        return None
                return content.decode("utf-8", "replace")
        except NotMoved:
            return None

    def _written(self, url: str, response: requests.Response, partial: Path) -> Downloaded:
        digest, size, head = hashlib.sha256(), 0, b""
        with partial.open("wb") as file:
            for piece in response.raw.stream(_PIECE, decode_content=False):
                size += len(piece)
                if size > self._most:
                    raise NotMoved(f"{url} has more than {self._most} bytes")
                if time.monotonic() > self._until:
                    raise NotMoved(f"{url} takes more than {self._within:.0f} s", waits=True)
                if len(head) < HEAD:
                    head = (head + piece)[:HEAD]
                digest.update(piece)
                file.write(piece)
        told = response.headers.get("Content-Length", "")
        if told.isdecimal() and int(told) != size:
            raise NotMoved(f"{url} broke off after {size} of {told} bytes", waits=True)
        return Downloaded(partial, digest.hexdigest(), head, response.headers.get("ETag"))

    def _require_bounded(self, url: str, response: requests.Response) -> None:
        told = response.headers.get("Content-Length", "")
        if told.isdecimal() and int(told) > self._most:
            raise NotMoved(f"{url} has {told} bytes, more than the {self._most} that are taken")

    @contextmanager
    def _asked(self, method: str, url: str) -> Iterator[requests.Response]:
        try:
            with self._session.request(
                method, url, stream=True, timeout=_ANSWER_WITHIN, allow_redirects=True
            ) as response:
                yield response
        except requests.TooManyRedirects as error:
            raise NotMoved(f"{url} redirects more than {_MOST_REDIRECTS} times") from error
        except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL) as error:
            raise NotMoved(f"{url} is, or redirects to, no address of HTTP") from error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            ConnectionError,
            TimeoutError,
        ) as error:
            refused = _refusal(error)
            if refused is not None:
                raise NotMoved(f"{url}: {refused}") from error
            raise NotMoved(f"{url} cannot be downloaded: {_short(error)}", waits=True) from error


def _refusal(error: BaseException) -> NotNamed | None:
    """Return the refusal to connect that an error of these libraries wraps, if it does."""
    within: list[BaseException] = [error]
    for each in islice(within, _DEEPEST):  # which grows as it is gone through
        if isinstance(each, NotNamed):
            return each
        wrapped = (*each.args, each.__cause__, each.__context__, getattr(each, "reason", None))
        within += [other for other in wrapped if isinstance(other, BaseException)]
    return None


def _short(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]

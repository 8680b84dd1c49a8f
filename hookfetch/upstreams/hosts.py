"""How many questions does a host bear? It is asked by few at once and no faster than its rate, and left
alone when it says that this is too much. One host's waiting is no other's.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import structlog

from hookfetch.core.errors import Temporary

LONGEST_REST = 3600.0  # seconds, whatever the host says
_REST = 60.0  # seconds, where the host does not say
_YEAR = 31_536_000.0  # seconds

log = structlog.get_logger(__name__)


class TooMuch(Temporary):
    """The host wants to be left alone for `seconds`."""

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


def too_much(status: int, headers: Mapping[str, str], now: float) -> TooMuch | None:
    """Return how an answer asks for rest, or None when it does not; `now` is in Unix seconds.

    429 does (RFC 6585), and 503 where it says for how long (RFC 9110, 15.6.4): without a word it
    may be about one repository. Retry-After is seconds or a date (RFC 9110, 10.2.3). 403 does where
    its rate limit's headers say that nothing is left of it.
    """
    after = _seconds(headers.get("Retry-After", ""), now)
    if after is None:
        after = used_up(headers, now)
    if status == 429 or (status in (403, 503) and after is not None):
        seconds = min(LONGEST_REST, _REST if after is None else max(0.0, after))
        return TooMuch(f"the server answers {status} and is left alone for {seconds:.0f} s", seconds)
    return None


def used_up(headers: Mapping[str, str], now: float) -> float | None:
    """Return for how many seconds nothing is left of the rate limit that an answer tells of; None where
    there is something left, or it tells of none.

    `X-RateLimit-Remaining` and `-Reset` are GitHub's and Gitea's, without the X they are GitLab's, the
    reset in Unix seconds; what is less than a year is taken for seconds from now.
    """
    for prefix in ("X-RateLimit", "RateLimit"):
        remaining, reset = headers.get(f"{prefix}-Remaining", ""), headers.get(f"{prefix}-Reset", "").strip()
        if remaining.strip() == "0" and reset.isascii() and reset.isdigit():
            at = float(reset[:12])
            return min(LONGEST_REST, max(0.0, at if at < _YEAR else at - now))
    return None


@dataclass(slots=True)
class _Host:
    slots: asyncio.Semaphore
    next_at: float = 0.0  # by `clock`


class Hosts:
    """All questions of a process: `at_once` in all and `per_host`, to one host `rate` in a second.

    `clock` returns seconds that never go back.
    """

    def __init__(self, *, at_once: int, per_host: int, rate: float, clock: Callable[[], float]) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._per_host = per_host
        self._spacing = 1 / rate
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait until the host of that name may be asked, and ask it in here; TooMuch from in here has it
        rest. Who waits for a host holds up none that asks another."""
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        async with host.slots:
            while (wait := host.next_at - self._clock()) > 0:  # noqa: ASYNC110 (a rest may grow meanwhile)
                await asyncio.sleep(wait)
            host.next_at = self._clock() + self._spacing
            async with self._slots:
                try:
                    yield
                except TooMuch as error:
                    self._rest(name, host, error)
                    raise

    def rest(self, name: str, seconds: float, reason: str) -> None:
        """Leave the host of that name alone for so long: its last answer was good, and the last for now."""
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        self._rest(name, host, TooMuch(reason, seconds))

    def _rest(self, name: str, host: _Host, error: TooMuch) -> None:
        until = self._clock() + error.seconds
        if until > host.next_at:
            # Those that were asked at the same time say the same: one line for all of them.
            if host.next_at <= self._clock() + self._spacing:
                log.warning("host_rests", host=name, seconds=round(error.seconds), reason=str(error))
            host.next_at = until


def _seconds(text: str, now: float) -> float | None:
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        seconds = parsedate_to_datetime(text).timestamp() - now
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None

"""Parts that start in order and stop in reverse, until a signal says so."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

_log = structlog.get_logger(__name__)

_STOP_WITHIN = 30.0  # seconds, a part
# Seconds until a thread that wants the interpreter gets it. By Python's default of 5 ms the spool's
# writer waits that long for it several times a group, and every sender behind it.
SWITCH_INTERVAL = 0.0005


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs between `start` and `stop`; `stop` is right after a failed start too."""

    name: str
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


async def run(parts: Sequence[Part]) -> None:
    """Start `parts`, wait for SIGTERM or SIGINT, stop them in reverse."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    started: list[Part] = []
    try:
        for part in parts:
            started.append(part)
            await part.start()
        _log.info("serving", parts=[part.name for part in parts])
        await ended.wait()
        _log.info("stopping")
    finally:
        for part in reversed(started):
            await _stop(part)


async def _stop(part: Part) -> None:
    try:
        async with asyncio.timeout(_STOP_WITHIN):
            await part.stop()
    except Exception:  # noqa: BLE001 (logged; the other parts must be stopped whatever this one does)
        _log.exception("did not stop cleanly", part=part.name)

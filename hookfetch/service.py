"""Parts that start in order and stop in reverse, until a signal says so."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from hookfetch.core.errors import Temporary

_log = structlog.get_logger(__name__)

_STOP_WITHIN = 30.0  # seconds, a part
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
# Seconds until a thread that wants the interpreter gets it. By Python's default of 5 ms the spool's
# writer waits that long for it several times a group, and every sender behind it.
SWITCH_INTERVAL = 0.0002


@dataclass(frozen=True, slots=True)
class Part:
    """Something that runs between `start` and `stop`; `stop` is right after a failed start too.

    A `patient` part may be started again when its start was Temporary, and is, until it
    starts: its parts behind it wait, those before it do their work.
    """

    name: str
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]
    patient: bool = False


async def run(parts: Sequence[Part]) -> None:
    """Start `parts`, wait for SIGTERM or SIGINT, stop them in reverse."""
    sys.setswitchinterval(SWITCH_INTERVAL)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    begun: list[Part] = []
    starting = asyncio.create_task(_start(parts, begun))
    ending = asyncio.create_task(ended.wait())
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        await ending
        _log.info("stopping")
    finally:
        starting.cancel()
        await asyncio.wait({starting})
        ending.cancel()
        for part in reversed(begun):
            await _stop(part)


async def _start(parts: Sequence[Part], begun: list[Part]) -> None:
    for part in parts:
        begun.append(part)
        pause = _FIRST_PAUSE
        while not await _started(part):
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
    _log.info("serving", parts=[part.name for part in parts])


async def _started(part: Part) -> bool:
    try:
        await part.start()
    except Temporary as error:
        if not part.patient:
            raise
        _log.warning("start waits", part=part.name, reason=str(error))
        return False
    return True


async def _stop(part: Part) -> None:
    try:
        async with asyncio.timeout(_STOP_WITHIN):
            await part.stop()
    except Exception:  # noqa: BLE001 (logged; the other parts must be stopped whatever this one does)
        _log.exception("did not stop cleanly", part=part.name)

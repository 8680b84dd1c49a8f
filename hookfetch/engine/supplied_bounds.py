"""How long, and with how much of the disk, a worker may be at what a client brought. Whoever exceeds it is
told so, and its worker's process is ended: BuildStream and its plugins have no bounds of their own.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from hookfetch.core.errors import ElementError

_LOOK_EVERY = 0.5  # seconds

T = TypeVar("T")


async def within_bounds(
    work: Callable[[], Awaitable[T]], places: Sequence[Path], most: int, seconds: float
) -> T:
    """Return what `work` returns; ElementError once it takes more than `seconds`, or what is below `places`
    has grown by more than `most` bytes."""
    before = await asyncio.to_thread(_bytes_below, places)  # or some of the work would be there already
    task = asyncio.ensure_future(work())
    clock = asyncio.get_running_loop().time
    end = clock() + seconds
    try:
        while not task.done():
            left = end - clock()
            if left <= 0:
                raise ElementError(
                    f"it takes more than {seconds:g} s, which is all that a client's element has"
                )
            await asyncio.wait({task}, timeout=min(left, _LOOK_EVERY))
            if not task.done() and await asyncio.to_thread(_bytes_below, places) - before > most:
                raise ElementError(
                    f"it takes more than {most} bytes, which is all that a client's element has"
                )
        return task.result()
    finally:
        task.cancel()
        await asyncio.wait({task})


def _bytes_below(places: Sequence[Path]) -> int:
    total, waiting = 0, [str(place) for place in places]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue  # gone meanwhile
    return total

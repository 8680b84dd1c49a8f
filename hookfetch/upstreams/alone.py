"""One process at a time fetches into a clone. When one was killed in the middle, the next one first ends what
it has left running, git and its ssh, and removes what it has left half done.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from hookfetch.core.errors import Temporary
from hookfetch.originals.cleaning import clean
from hookfetch.originals.locks import Lock
from hookfetch.processes import MARK, end_marked

_POLL = 0.05  # seconds
_END_WITHIN = 10.0  # seconds for what is killed to disappear


@asynccontextmanager
async def alone_in(repository: Path, within: float) -> AsyncIterator[Mapping[str, str]]:
    """Let no other process change the bare `repository` for a `with` block, and give the variables by which
    the next one finds what is started in it. Temporary when it is not free within so many seconds."""
    token = uuid.uuid4().hex
    with await _lock(repository.with_suffix(".work"), within) as lock, lock.marked(token) as left:
        if left:
            await asyncio.to_thread(_clear, repository, left)
        yield {MARK: token}


async def _lock(path: Path, within: float) -> Lock:
    try:
        async with asyncio.timeout(within):
            while (lock := Lock.try_now(path, shared=False)) is None:  # noqa: ASYNC110 (another process's)
                await asyncio.sleep(_POLL)
    except TimeoutError as error:
        raise Temporary("another process is still fetching it") from error
    return lock


def _clear(repository: Path, tokens: Sequence[str]) -> None:
    for token in tokens:
        if not end_marked(token, within=_END_WITHIN):
            raise Temporary("what a killed process has left running does not end")
    clean(repository)

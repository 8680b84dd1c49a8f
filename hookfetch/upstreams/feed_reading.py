"""Documents read beside the event loop: what is long, or may be hostile, takes seconds and holds up nothing.
Two at a time; how long one takes and how much memory is bounded by `hookfetch.feeds`.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from hookfetch.core.errors import Permanent
from hookfetch.core.releases import Reading
from hookfetch.feeds import Document, Unreadable, read

SHORT = 4096  # bytes; to hand these over would take longer than to read them
_AT_ONCE = 2


class Readers:
    """The readers of a process; `close` when no more is to be read."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="feeds")

    async def read(self, kind: str, document: Document) -> Reading:
        """Return what a document of this kind says; Permanent where it is none, or has no release at all. An
        error page looks the same as that, and so does a project that lost its list: it says nothing."""
        try:
            if len(document.body) <= SHORT:
                reading = read(kind, document)
            else:
                loop = asyncio.get_running_loop()
                reading = await loop.run_in_executor(self._threads, read, kind, document)
        except Unreadable as error:
            raise Permanent(str(error)) from error
        if not any(release.version for release in reading.releases):
            raise Permanent("no release with a version is in it")
        return reading

    def close(self) -> None:
        """Let go of the threads; what is being read is finished and forgotten."""
        self._threads.shutdown(wait=False, cancel_futures=True)

"""`Client` for programs without an event loop: the same calls, each of which returns when it is done."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Literal, TypeVar

from hookfetch.client.client import PATIENCE, Client
from hookfetch.client.credentials import Credentials
from hookfetch.client.values import Listing
from hookfetch.client.watch import Entry
from hookfetch.client.work import Fetched, JobProgress, Staged, Tracked

T = TypeVar("T")


class BlockingClient:
    """The gateway at `target` (`host:port`), with `credentials` where it asks for them, else without TLS.

    For one thread, outside of any event loop, and to be closed: `with BlockingClient(target) as client`.
    Interrupted (SIGINT), a call ends what it asked for and raises KeyboardInterrupt. Errors are those of
    `Client`; ConfigurationError when the credentials cannot be used.
    """

    def __init__(self, target: str, credentials: Credentials | None = None) -> None:
        self._runner = asyncio.Runner()
        try:
            self._client = self._runner.run(_made(target, credentials))
        except BaseException:
            self._runner.close()
            raise

    def __enter__(self) -> "BlockingClient":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._run(self._client.close())
        self._runner.close()

    def watch(
        self,
        *,
        projects: Sequence[str] = (),
        elements: Sequence[str] = (),
        cursor: str | None = None,
        start: Literal["now", "oldest"] = "now",
        patience: float = PATIENCE,
    ) -> Iterator[Entry]:
        """Yield updates, alarms and settlements as they are announced; arguments and errors as of
        `Client.watch`. What is announced while nobody asks for the next one is not lost."""
        watch = self._client.watch(
            projects=projects, elements=elements, cursor=cursor, start=start, patience=patience
        )
        try:
            while True:
                yield self._run(watch.__anext__())
        finally:
            self._run(watch.aclose())

    def list(self, *, projects: Sequence[str] = (), elements: Sequence[str] = ()) -> Listing:
        """Return the newest update of each element, as `Client.list`."""
        return self._run(self._client.list(projects=projects, elements=elements))

    def track(self, project: str, element: str, *, timeout: float | None = None) -> Tracked:
        """Track an element now and return its refs, as `Client.track`; `timeout` in seconds."""
        return self._run(self._client.track(project, element, timeout=timeout))

    def fetch(
        self,
        project: str,
        element: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> Fetched:
        """Return once the source cache holds an element's newest announced sources, as `Client.fetch`."""
        return self._run(self._client.fetch(project, element, timeout=timeout, on_progress=on_progress))

    def stage(
        self,
        project: str,
        element: str,
        *,
        timeout: float | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> Staged:
        """Return the directory in which an element's sources are staged, as `Client.stage`."""
        return self._run(self._client.stage(project, element, timeout=timeout, on_progress=on_progress))

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        try:
            return self._runner.run(call)
        except KeyboardInterrupt:
            # It may have come before the event loop took it for the call, which then goes on.
            self._runner.run(_all_ended())
            raise


async def _made(target: str, credentials: Credentials | None) -> Client:
    return Client(target, credentials)


async def _all_ended() -> None:
    """End what else runs in this loop."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)

"""What a command that waits says of the work it waits for: nothing in the first second, then each change."""

import asyncio
from types import TracebackType

import click

from hookfetch.client.work import JobProgress

QUIET_SECONDS = 1.0


class Standing:
    """Tells on stderr how the work on `element` stands, once that takes over a second; in a running event
    loop."""

    def __init__(self, element: str, *, as_json: bool) -> None:
        self._element = element
        self._as_json = as_json
        self._newest: JobProgress | None = None
        self._told: JobProgress | None = None
        self._speaks = False
        self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._begin)

    def tell(self, progress: JobProgress) -> None:
        """Say how it stands now, or in a moment."""
        self._newest = progress
        if self._speaks:
            self._say()

    def _begin(self) -> None:
        self._speaks = True
        self._say()

    def _say(self) -> None:
        from hookfetch.client.terminal import progress_line

        if self._newest is not None and self._newest != self._told:
            self._told = self._newest
            click.echo(progress_line(self._element, self._newest, as_json=self._as_json), err=True)

    def __enter__(self) -> "Standing":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()

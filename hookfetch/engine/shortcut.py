"""The shortcut: elements of git sources alone go from their mirrors' objects to the source cache.

It is taken only by a process that has compared both ways, and for what is certain to come out as
BuildStream would have it; all else goes BuildStream's own way.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from hookfetch.cas.channel import Servers
from hookfetch.cas.proof import Published
from hookfetch.cas.publishing import Publisher
from hookfetch.engine.shortcut_check import checked_staging
from hookfetch.engine.staging import Staging


class Shortcut:
    """The way to the source cache on `servers`, closed until `check` has opened it."""

    def __init__(self, servers: Servers, folder: Path, lease: float) -> None:
        self._publisher = Publisher(servers, lease)
        self._folder = folder  # for what is compared
        self._staging: Staging | str = "not checked yet"
        self._checked = False

    def check(self, context: Any) -> None:
        """Compare both ways, once in this process. No project is loaded in `context` afterwards."""
        if not self._checked:
            self._staging = checked_staging(context, self._folder)
            self._checked = True

    @property
    def off(self) -> str | None:
        """Return why it cannot be taken at all, in one line; None when it can."""
        return self._staging if isinstance(self._staging, str) else None

    def serves(self, sources: Sequence[Any]) -> bool:
        """Return whether it may be tried for an element of these `sources`."""
        return isinstance(self._staging, Staging) and self._staging.serves(sources)

    def download(self, sources: Sequence[Any]) -> None:
        """Have the sources' commits in their mirrors; whatever plugins raise is passed on."""
        assert isinstance(self._staging, Staging)
        self._staging.download(sources)

    def distrust(self) -> None:
        """Ask the cache for everything when something is published next: it lost something."""
        self._publisher.distrust()

    def publish(self, sources: Sequence[Any], element_key: str) -> Published:
        """Have the source cache hold the downloaded `sources`, and return what was sent; Unsuited when they
        are not for this way, CacheAway when the cache is not there, and whatever damaged mirrors and plugins
        raise."""
        assert isinstance(self._staging, Staging)
        with ExitStack() as stack:
            return self._staging.stage(sources, stack).publish(self._publisher, element_key)

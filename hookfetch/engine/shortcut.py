"""The shortcut: elements of git sources and tarballs alone go to the source cache without being staged.

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
from hookfetch.engine.shortcut_check import Checked, checked_staging
from hookfetch.engine.staging import Staging


class Shortcut:
    """The way to the source cache on `servers`, closed until `check` has opened it."""

    def __init__(self, servers: Servers, folder: Path, lease: float) -> None:
        self._publisher = Publisher(servers, lease)
        self._folder = folder  # for what is compared
        self._checked: Checked | None = None

    def check(self, context: Any) -> None:
        """Compare both ways, once in this process. No project is loaded in `context` afterwards."""
        if self._checked is None:
            self._checked = checked_staging(context, self._folder)

    @property
    def off(self) -> str | None:
        """Return why it is not taken, or not for some kinds, in one line; None when it is for all."""
        return "not checked yet" if self._checked is None else self._checked.difference

    def serves(self, sources: Sequence[Any]) -> bool:
        """Return whether it may be tried for an element of these `sources`."""
        return self._staging is not None and self._staging.serves(sources)

    def download(self, sources: Sequence[Any]) -> None:
        """Have what the sources name where their plugins keep it; whatever they raise is passed on."""
        assert self._staging is not None
        self._staging.download(sources)

    @property
    def _staging(self) -> Staging | None:
        return None if self._checked is None else self._checked.staging

    def distrust(self) -> None:
        """Ask the cache for everything when something is published next: it lost something."""
        self._publisher.distrust()

    def publish(self, sources: Sequence[Any], element_key: str) -> Published:
        """Have the source cache hold the downloaded `sources`, and return what was sent; Unsuited when they
        are not for this way, CacheAway when the cache is not there, and whatever damaged mirrors and plugins
        raise."""
        assert self._staging is not None
        with ExitStack() as stack:
            return self._staging.stage(sources, stack).publish(self._publisher, element_key)

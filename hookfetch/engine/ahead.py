"""Looks at upstreams for jobs that wait while their process is at work: each look in a thread of its own,
which touches mirrors alone, and nothing of BuildStream's.
"""

import threading
from collections.abc import Sequence
from typing import Any

import structlog

from hookfetch.engine.looks import Look
from hookfetch.engine.source_mirrors import SourceMirrors

_log = structlog.get_logger(__name__)

_KEPT = 8  # looks, twice what is asked for at once: those whose jobs have gone elsewhere are among them


class Ahead:
    """The looks of one process, by the numbers that its supervisor gave them."""

    def __init__(self, mirrors: SourceMirrors) -> None:
        self._mirrors = mirrors
        self._looks: dict[int, _LookingThread] = {}

    def begin(self, number: int, sources: Sequence[Any]) -> None:
        """Begin to look at the upstreams of `sources`, as they were loaded. From any thread."""
        while len(self._looks) >= _KEPT:
            self._looks.pop(min(tuple(self._looks)), None)  # unless it is taken just now
        thread = _LookingThread(self._mirrors, sources)
        try:
            thread.start()
        except RuntimeError as error:  # no thread to be had: the job looks itself
            _log.info("not looked ahead", reason=str(error))
            return
        self._looks[number] = thread

    def take(self, number: int | None) -> Look | None:
        """Return what look `number` has found, once it is at its end; None if it was not begun, or failed:
        whoever looks again is told why."""
        thread = None if number is None else self._looks.pop(number, None)
        if thread is None:
            return None
        thread.join()
        return thread.look


class _LookingThread(threading.Thread):
    def __init__(self, mirrors: SourceMirrors, sources: Sequence[Any]) -> None:
        super().__init__(daemon=True)  # it does not keep the process from leaving
        self.look: Look | None = None
        self._mirrors = mirrors
        self._sources = sources

    def run(self) -> None:
        try:
            look = Look(self._sources)
            with self._mirrors.held(self._sources), self._mirrors.alone(self._sources):
                look.bring()
            self.look = look
        except Exception as error:  # noqa: BLE001 - it is a help, and the job says what is wrong
            _log.info("not looked ahead", reason=f"{type(error).__name__}: {error}"[:300])

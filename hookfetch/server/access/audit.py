"""The audit log: one line for each call that changes something or asks for work, and for each refusal.

The lines go where the service's others go (stderr), and have `audit=True`. None holds a token, or more of
what a caller sent than names.
"""

from collections.abc import Callable, Sequence

import structlog

REFUSALS_A_SECOND = 20
_MOST = 200  # characters of a name, and of a reason
_MOST_NAMES = 20

_log = structlog.get_logger(__name__)


class Audit:
    """Writes the lines. `clock` gives seconds that only grow.

    Refusals cost a caller nothing: beyond `REFUSALS_A_SECOND` they are counted, and told with the next one.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._second = 0
        self._told = 0
        self._untold = 0

    def done(
        self,
        *,
        caller: str | None,
        peer: str,
        method: str,
        projects: Sequence[str],
        element: str,
        outcome: str,
    ) -> None:
        """Tell how a call ended: `outcome` is `OK` or the status it ended with."""
        _log.info(
            "call",
            audit=True,
            caller=caller,
            peer=peer,
            method=method,
            projects=[name[:_MOST] for name in projects[:_MOST_NAMES]],
            element=element[:_MOST],
            outcome=outcome,
        )

    def refused(
        self, *, caller: str | None, peer: str, method: str, projects: Sequence[str], reason: str
    ) -> None:
        """Tell that a call was not let through; `caller` is None when nobody is known by what it showed."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._told = second, 0
        if self._told >= REFUSALS_A_SECOND:
            self._untold += 1
            return
        self._told += 1
        untold, self._untold = self._untold, 0
        _log.warning(
            "refused",
            audit=True,
            caller=caller,
            peer=peer,
            method=method[:_MOST],
            projects=[name[:_MOST] for name in projects[:_MOST_NAMES]],
            reason=reason[:_MOST],
            untold=untold,
        )

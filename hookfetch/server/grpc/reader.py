"""One watcher's place in the logs: what it gets next, and the cursor it resumes from. No I/O."""

from hookfetch.server.grpc.cursors import Position, Positions, dump_cursor
from hookfetch.server.grpc.filters import Filter
from hookfetch.server.grpc.log_window import Compacted, Logged, LogWindow


class Reader:
    """Reads a window for one filter, each entry once, from `positions` on.

    With `whole`, a log that appears later has to begin with its first entry, since the
    reader promises that nothing is missed after a cursor. Compacted when something between
    `positions` and the window is not kept.
    """

    def __init__(self, window: LogWindow, wanted: Filter, positions: Positions, *, whole: bool) -> None:
        self._window = window
        self._wanted = wanted
        self._positions = {name: at for name, at in positions.items() if name in wanted.projects}
        self._whole = whole
        self.sequence = window.place(wanted.projects, self._positions)

    @classmethod
    def from_newest(cls, window: LogWindow, wanted: Filter) -> "Reader":
        """Return a reader of what comes from now on."""
        return cls(window, wanted, window.newest(wanted.projects), whole=False)

    @classmethod
    def from_oldest(cls, window: LogWindow, wanted: Filter) -> "Reader":
        """Return a reader of all that is kept."""
        return cls(window, wanted, window.oldest(wanted.projects), whole=False)

    @property
    def cursor(self) -> str:
        """Return the cursor after all that was taken."""
        return dump_cursor(self._positions.values())

    @property
    def behind(self) -> bool:
        """Return whether there are entries to look at now."""
        return self.sequence < self._window.last

    def take(self, limit: int) -> Logged | None:
        """Return the next wanted entry, having looked at `limit` entries at most; Compacted
        when the place is no longer kept or a followed log was begun anew."""
        for _ in range(limit):
            entry = self._window.after(self.sequence)
            if entry is None:
                return None
            fresh = self._moves(entry.position)
            self.sequence = entry.sequence
            if fresh and self._wanted.matches(entry.position.project, entry.element):
                return entry
        return None

    def _moves(self, to: Position) -> bool:
        """Move on to an entry's position; False when it was seen or nobody asked for its log."""
        if to.project not in self._wanted.projects or not self._window.is_current(to):
            return False
        at = self._positions.get(to.project)
        if at is None:
            at = Position(to.project, to.log_id, 0 if self._whole else to.number - 1)
        if at.log_id != to.log_id or at.number + 1 < to.number:
            raise Compacted
        if to.number <= at.number:
            return False
        self._positions[to.project] = to
        return True

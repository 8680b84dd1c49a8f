"""A gateway's view of the projects' logs: the newest entries, in memory, for any number of readers.

Readers hold a place and ask for what comes after it; nothing is queued for them, so a slow
one costs nothing and is told when its place is gone. Nothing is awaited while it changes.
"""

import asyncio
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from hookfetch.core.entries import LogEntry, RefSuperseded, RefUpdated
from hookfetch.server.grpc.cursors import Position, Positions

MAX_ENTRIES = 100_000
MAX_BYTES = 256 * 1024 * 1024
MAX_ELEMENTS = 100_000
MAX_HELD = 1000
HOLD_SECONDS = 5.0
_RETIRED_LOGS = 16


class Compacted(Exception):
    """What comes after a reader's place is not kept, or its log was begun anew."""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of a log. `sequence` counts this gateway's entries of all projects from 1;
    `wire` is its serialised message without a cursor, `kind` the entry's type."""

    sequence: int
    position: Position
    element: str
    wire: bytes
    kind: str = "ref_updated"


@dataclass(slots=True)
class _Log:
    """One project's log: `sequences` of the kept entries by number, `first` to `last`."""

    log_id: str
    first: int
    last: int
    sequences: dict[int, int] = field(default_factory=dict)
    held: dict[int, LogEntry] = field(default_factory=dict)  # came before an earlier number did
    timer: asyncio.TimerHandle | None = None


# What is listed of an element before an entry, the entry, and its own message; what is listed then.
Listed = Callable[[bytes | None, RefUpdated | RefSuperseded, bytes], bytes | None]


def _as_announced(before: bytes | None, entry: RefUpdated | RefSuperseded, wire: bytes) -> bytes | None:
    return wire if isinstance(entry, RefUpdated) else before


class LogWindow:
    """The newest entries of every project's log, at most `max_entries` and `max_bytes` in all,
    and the newest update of each element as `listed` has it, at most `max_elements`.

    Bytes are of serialised updates. An entry whose number is ahead of its log's next one is
    held until that comes, at most `hold_seconds`; then the hole is taken as compacted.
    """

    def __init__(
        self,
        encode: Callable[[LogEntry], bytes],
        listed: Listed = _as_announced,
        *,
        max_entries: int = MAX_ENTRIES,
        max_bytes: int = MAX_BYTES,
        max_elements: int = MAX_ELEMENTS,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._encode = encode
        self._listed = listed
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._max_elements = max_elements
        self._hold_seconds = hold_seconds
        self._entries: dict[int, Logged] = {}  # by sequence, without a hole
        self._bytes = 0
        self._last = 0
        self._logs: dict[str, _Log] = {}
        self._retired: deque[tuple[str, str]] = deque(maxlen=_RETIRED_LOGS)
        self._newest: dict[tuple[str, str], Logged] = {}  # oldest announced first
        self._names: list[tuple[str, str]] = []  # the keys of _newest, sorted
        self._grown = asyncio.Event()
        self.opened = asyncio.Event()  # set once the logs' kept entries were read
        self.closed = False

    @property
    def last(self) -> int:
        """Return the sequence of the newest entry, 0 before any."""
        return self._last

    @property
    def _oldest(self) -> int:
        return self._last - len(self._entries) + 1

    def close(self) -> None:
        """Let every reader go; nothing more is read."""
        self.closed = True
        for log in self._logs.values():
            _stop_timer(log)
        self._wake()

    def add(self, entry: LogEntry) -> None:
        """Take an entry of a log, repeated or not; repeats and those of a log that was begun
        anew since are dropped."""
        if self.closed:
            return
        log = self._logs.get(entry.project)
        if log is None or log.log_id != entry.log_id:
            if (entry.project, entry.log_id) in self._retired:
                return
            log = self._begin(entry)
        if entry.number <= log.last:
            return
        log.held[entry.number] = entry
        self._release(log)
        if log.held and len(log.held) > MAX_HELD:
            self._skip_hole(log)
        elif log.held and log.timer is None:
            loop = asyncio.get_running_loop()
            log.timer = loop.call_later(self._hold_seconds, self._skip_hole, log)

    def _begin(self, entry: LogEntry) -> _Log:
        """Begin to keep the log that `entry` belongs to, in place of the project's log before."""
        before = self._logs.get(entry.project)
        if before is not None:
            _stop_timer(before)
            self._retired.append((entry.project, before.log_id))
        log = _Log(log_id=entry.log_id, first=entry.number, last=entry.number - 1)
        self._logs[entry.project] = log
        return log

    def _release(self, log: _Log) -> None:
        """Move what follows the newest number from held to kept."""
        if log.last + 1 not in log.held:
            return
        _stop_timer(log)
        while (entry := log.held.pop(log.last + 1, None)) is not None:
            self._keep(log, entry)
        self._evict()
        self._wake()

    def _skip_hole(self, log: _Log) -> None:
        """Go on after numbers that did not come: whoever is before them has to List."""
        log.timer = None
        log.first = min(log.held)
        log.last = log.first - 1
        log.sequences.clear()
        self._release(log)
        if log.held:
            loop = asyncio.get_running_loop()
            log.timer = loop.call_later(self._hold_seconds, self._skip_hole, log)

    def _keep(self, log: _Log, entry: LogEntry) -> None:
        position = Position(entry.project, entry.log_id, entry.number)
        logged = Logged(self._last + 1, position, entry.element, self._encode(entry), entry.type)
        self._last = logged.sequence
        log.last = entry.number
        log.sequences[entry.number] = logged.sequence
        self._entries[logged.sequence] = logged
        self._bytes += len(logged.wire)
        if isinstance(entry, RefUpdated | RefSuperseded):
            self._list(entry, logged)

    def _list(self, entry: RefUpdated | RefSuperseded, logged: Logged) -> None:
        name = (entry.project, entry.element)
        before = self._newest.pop(name, None)
        wire = self._listed(None if before is None else before.wire, entry, logged.wire)
        if wire is not None:
            self._newest[name] = replace(logged, wire=wire)
        if before is None and wire is not None:
            insort(self._names, name)
        elif before is not None and wire is None:
            del self._names[bisect_right(self._names, name) - 1]

    def _evict(self) -> None:
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            gone = self._entries.pop(self._oldest)
            self._bytes -= len(gone.wire)
            log = self._logs[gone.position.project]
            if log.sequences.get(gone.position.number) == gone.sequence:
                del log.sequences[gone.position.number]
                log.first = gone.position.number + 1
        while len(self._newest) > self._max_elements:
            name = next(iter(self._newest))
            del self._newest[name]
            del self._names[bisect_right(self._names, name) - 1]

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    async def wait(self, sequence: int, until: float) -> None:
        """Return once there is an entry after `sequence`, the window is closed, or the event
        loop's clock says `until`, in seconds."""
        if self._last > sequence or self.closed:
            return
        try:
            async with asyncio.timeout_at(until):
                await self._grown.wait()
        except TimeoutError:
            return  # it is what was asked for: nothing came until then

    def is_current(self, position: Position) -> bool:
        """Return whether a position is in its project's log and not in one that was before it."""
        return self._logs[position.project].log_id == position.log_id

    def after(self, sequence: int) -> Logged | None:
        """Return the entry after `sequence`, None at the end; Compacted when it is no longer kept."""
        if sequence >= self._last:
            return None
        entry = self._entries.get(sequence + 1)
        if entry is None:
            raise Compacted
        return entry

    def newest(self, projects: Iterable[str]) -> Positions:
        """Return the positions after the newest entries, of the projects that have a log."""
        logs = ((project, self._logs.get(project)) for project in projects)
        return {name: Position(name, log.log_id, log.last) for name, log in logs if log is not None}

    def oldest(self, projects: Iterable[str]) -> Positions:
        """Return the positions before the oldest kept entries, of the projects that have a log."""
        logs = ((project, self._logs.get(project)) for project in projects)
        return {name: Position(name, log.log_id, log.first - 1) for name, log in logs if log is not None}

    def place(self, projects: Iterable[str], positions: Positions) -> int:
        """Return the sequence after which comes all that `projects` announced after `positions`.

        A project without a position is read from its first entry; a position in a log that was
        not read here yet is waited for. Compacted when something in between is not kept.
        """
        sequence = self._last
        for project in projects:
            log = self._logs.get(project)
            if log is None:
                continue
            position = positions.get(project, Position(project, log.log_id, 0))
            if position.log_id != log.log_id or position.number + 1 < log.first:
                raise Compacted
            if position.number < log.last:
                sequence = min(sequence, log.sequences[position.number + 1] - 1)
        return sequence

    def element(self, name: tuple[str, str]) -> Logged | None:
        """Return the newest update of the element of this (project, element), None where none is kept."""
        return self._newest.get(name)

    def elements_after(self, name: tuple[str, str]) -> Iterator[Logged]:
        """Iterate over the newest update of each element whose (project, element) is after
        `name`, in order; not to be held over an await."""
        for index in range(bisect_right(self._names, name), len(self._names)):
            yield self._newest[self._names[index]]


def _stop_timer(log: _Log) -> None:
    if log.timer is not None:
        log.timer.cancel()
        log.timer = None

"""Which bytes of which segment were read, are being relayed, or are done. Pure bookkeeping.

One entry a segment and one number a delivery on its way: the deliveries themselves stay on disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hookfetch.core.kept import Place
from hookfetch.core.ports import Spooled
from hookfetch.spool.segment import Reading, Stretch

# A delivery's place in its segment: its group's offset, and in the low bits its ordinal in the group.
_GROUP_BITS = 16
GROUP_MOST = 1 << _GROUP_BITS


@dataclass(slots=True)
class Entry:
    """A segment: bytes before `end` are durable, bytes before `read` were taken. `out` holds
    the places taken and not yet done; `growing` while its writer may add to it."""

    path: Path
    end: int
    read: int
    growing: bool
    crashed: bool
    out: set[int] = field(default_factory=set)

    @property
    def done(self) -> int:
        """Return the offset of the group up to which everything is done."""
        return min(self.out) >> _GROUP_BITS if self.out else self.read

    @property
    def is_finished(self) -> bool:
        """Return whether nothing in it is wanted any more, and nothing will be added."""
        return not self.growing and self.done >= self.end


class Ledger:
    """The segments of a spool, oldest first; each has a number that holds while this object lives."""

    def __init__(self) -> None:
        self._entries: dict[int, Entry] = {}
        self._numbers: dict[Path, int] = {}
        self._last = 0
        self.used_bytes = 0

    def add(
        self, path: Path, *, end: int, read: int = 0, growing: bool = False, crashed: bool = False
    ) -> None:
        """Take a segment into the books, as the newest."""
        self._last += 1
        self._numbers[path] = self._last
        self._entries[self._last] = Entry(path, end, read, growing, crashed)
        self.used_bytes += end

    def knows(self, path: Path) -> bool:
        """Return whether the segment is in the books."""
        return path in self._numbers

    def grown(self, path: Path, end: int) -> None:
        """A group was written to `path`, now the only segment that grows."""
        for entry in self._entries.values():
            if entry.growing and entry.path != path:
                entry.growing = False
        if path not in self._numbers:
            self.add(path, end=0, growing=True)
        entry = self._entries[self._numbers[path]]
        self.used_bytes += end - entry.end
        entry.end = end

    def place(self, position: tuple[int, int]) -> Place | None:
        """Return where the delivery at `position` is, None once its segment is out of the books."""
        number, place = position
        entry = self._entries.get(number)
        if entry is None:
            return None
        return Place(segment=entry.path.name, offset=place >> _GROUP_BITS, ordinal=place & (GROUP_MOST - 1))

    def sealed(self, path: Path) -> None:
        """The segment `path` does not grow any more."""
        if path in self._numbers:
            self._entries[self._numbers[path]].growing = False

    def seal(self) -> None:
        """No segment grows any more."""
        for entry in self._entries.values():
            entry.growing = False

    def unread(self) -> Iterator[tuple[int, Stretch]]:
        """Yield what can be taken now, oldest first."""
        for number, entry in self._entries.items():
            if entry.read < entry.end:
                yield number, Stretch(entry.path, entry.read, entry.end, entry.crashed)

    def taken(self, readings: Iterable[tuple[int, Reading]]) -> list[Spooled]:
        """Note what was read, and return it."""
        spooled: list[Spooled] = []
        for number, reading in readings:
            entry = self._entries[number]
            entry.read = reading.next
            self.used_bytes += reading.damaged  # kept a second time, in a side file
            for offset, group in reading.groups:
                first = offset << _GROUP_BITS
                entry.out.update(range(first, first + len(group)))
                spooled += [
                    Spooled(position=(number, first + ordinal), delivery=delivery)
                    for ordinal, delivery in enumerate(group)
                ]
        return spooled

    def done(self, taken: Iterable[Spooled]) -> dict[Path, int]:
        """Note that deliveries are done; return how far each touched segment is done now.

        A delivery that is not on its way changes nothing.
        """
        touched: dict[Path, int] = {}
        for spooled in taken:
            number, place = spooled.position
            entry = self._entries.get(number)
            if entry is not None and place in entry.out:
                entry.out.remove(place)
                touched[entry.path] = number
        return {path: self._entries[number].done for path, number in touched.items()}

    def finished(self) -> list[Path]:
        """Return the segments that can be deleted."""
        return [entry.path for entry in self._entries.values() if entry.is_finished]

    def forget(self, path: Path) -> None:
        """A segment is gone from the disk, and its bytes are free. Said twice, it counts once."""
        number = self._numbers.pop(path, None)
        if number is not None:
            self.used_bytes -= self._entries.pop(number).end

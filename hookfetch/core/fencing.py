"""Which records of a project's log count? The order of the stream decides, never an epoch's number. Pure."""

from hookfetch.core.entries import EpochBegan, LogEntry, PauseChanged, Record


class Fence:
    """Takes one project's records in the order in which they stand in the log, and lets those through
    that count: a coordinator that was replaced, and does not know it yet, publishes into the void.

    `epoch` is that of the last mark, None before any; what stands before the first mark counts (its
    mark may be older than what the log keeps).
    """

    def __init__(self, epoch: int | None = None) -> None:
        self.epoch = epoch

    def admit(self, record: Record) -> LogEntry | None:
        """Return the entry in `record` if it counts; None for what has no number, and for what is void."""
        if isinstance(record, EpochBegan):
            self.epoch = record.epoch
            return None
        return record if not isinstance(record, PauseChanged) and self.counts(record) else None

    def counts(self, record: LogEntry | PauseChanged) -> bool:
        """Return whether the one that published `record` was the project's coordinator then."""
        return self.epoch is None or record.epoch == self.epoch

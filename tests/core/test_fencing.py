"""Which records count: whatever another epoch published after a mark does not."""

from dataclasses import replace

from hookfetch.core.entries import EpochBegan, RefUpdated
from hookfetch.core.fencing import Fence

ENTRY = RefUpdated(
    log_id="log",
    number=1,
    project="p",
    element="a.bst",
    causes=(),
    announced_at=0.0,
    changes=(),
    cached=True,
    element_key=None,
    source_keys=(),
)


def mark(epoch: int) -> EpochBegan:
    return EpochBegan(project="p", epoch=epoch)


def test_everything_counts_before_the_first_mark() -> None:
    fence = Fence()
    entries = [replace(ENTRY, epoch=epoch) for epoch in (0, 7, 5)]
    assert [fence.admit(entry) for entry in entries] == entries


def test_after_a_mark_only_its_epoch_counts_however_the_numbers_are() -> None:
    fence = Fence()
    entries = [replace(ENTRY, epoch=epoch) for epoch in (9, 5, 0)]
    assert fence.admit(mark(9)) is None
    assert [fence.admit(entry) for entry in entries] == [entries[0], None, None]
    assert fence.admit(mark(5)) is None
    assert [fence.admit(entry) for entry in entries] == [None, entries[1], None]

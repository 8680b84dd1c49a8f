"""The judge of a run notices what it is there for."""

from collections.abc import Mapping, Sequence

import pytest

from hookfetch.core.entries import EpochBegan, Record, RefUpdated
from hookfetch.core.jobs import Change
from tests.faults.verdict import Verdict, judge

OLD, NEW = "a" * 40, "b" * 40
Ends = Mapping[str, Sequence[str | None]]


def announced(number: int, ref: str, *, epoch: int = 1) -> RefUpdated:
    return RefUpdated(
        log_id="log",
        number=number,
        project="p",
        element="e.bst",
        causes=("d",),
        announced_at=float(number),
        epoch=epoch,
        changes=(Change(index=0, kind="git", url=None, base=OLD, previous=OLD, ref=ref),),
        cached=True,
        element_key=None,
        source_keys=(),
    )


def judged(
    outcomes: Ends,
    *,
    letters: Sequence[str] = (),
    replayed: frozenset[str] = frozenset(),
    mended: frozenset[str] = frozenset(),
    records: Sequence[Record] = (),
    upstream: str = OLD,
) -> Verdict:
    return judge(
        accepted={"d"},
        replayed=replayed,
        mended=mended,
        outcomes=outcomes,
        letters=letters,
        records=[EpochBegan(project="p", epoch=1), *records],
        upstream={"e.bst": upstream},
        committed={"e.bst": OLD},
        did={},
        missing=None,
    )


@pytest.mark.parametrize(
    ("outcomes", "letters", "lost", "doubled"),
    [
        ({"d": ["done"]}, [], 0, 0),
        ({}, ["d"], 0, 0),
        ({}, ["d", "d"], 0, 0),  # a letter that was buried twice is one end
        ({}, [], 1, 0),
        ({"d": [None]}, [], 1, 0),
        ({"d": ["done", "coalesced"]}, [], 0, 1),
        ({"d": ["done"]}, ["d"], 0, 1),
    ],
)
def test_each_accepted_delivery_has_one_end(
    outcomes: Ends, letters: Sequence[str], lost: int, doubled: int
) -> None:
    verdict = judged(outcomes, letters=letters)
    assert (verdict.lost, verdict.doubled, len(verdict.faults)) == (lost, doubled, lost + doubled)


def test_a_replay_is_a_delivery_of_its_own_whether_its_command_was_answered_or_not() -> None:
    verdict = judged({"d": ["done"], "d~1": ["done"], "d~2": ["coalesced"]}, replayed=frozenset({"d~1"}))
    assert (verdict.lost, verdict.doubled, verdict.replayed) == (0, 0, 2)
    assert judged({"d": ["done"]}, replayed=frozenset({"d~1"})).lost == 1
    assert judged({"d": ["done"], "d~2": ["done", "done"]}).doubled == 1


def test_a_letter_that_was_replayed_has_no_letter_left_beside_its_end() -> None:
    assert judged({"d": ["done"], "m": ["done"]}, mended=frozenset({"m"})).faults == []
    assert judged({"d": ["done"], "m": ["done"]}, mended=frozenset({"m"}), letters=["m"]).doubled == 1
    assert judged({"d": ["done"]}, mended=frozenset({"m"})).lost == 1


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([announced(1, NEW)], []),
        ([announced(1, NEW), announced(1, NEW)], []),  # published again, the same word for word
        ([announced(1, NEW), announced(2, OLD, epoch=7)], []),  # of a coordinator that was replaced
        ([announced(1, OLD), announced(3, NEW)], ["a gap"]),
        ([announced(1, NEW), announced(2, NEW)], ["announced twice"]),
        ([announced(1, NEW), announced(2, OLD)], ["announced last"]),
        ([], ["announced last"]),
    ],
)
def test_the_log_has_no_gap_no_repeat_and_ends_where_the_upstream_is(
    records: Sequence[Record], words: Sequence[str]
) -> None:
    faults = judged({"d": ["done"]}, records=records, upstream=NEW).faults
    assert len(faults) == len(words)
    assert all(word in fault for word, fault in zip(words, faults, strict=True))

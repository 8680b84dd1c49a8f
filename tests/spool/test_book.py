"""The record of deliveries: pages, redeliveries, numbers of replays; a broken file holds nobody up."""

from dataclasses import replace
from pathlib import Path

import pytest

from hookfetch.core.errors import Temporary
from hookfetch.core.kept import DeliveryFilter, DeliveryRecord, Place, ToldFact
from hookfetch.spool import book as module
from hookfetch.spool.book import DeliveryBook

ANY = DeliveryFilter()


def record(number: int, **more: object) -> DeliveryRecord:
    fact = ToldFact(id=f"h/{number}#0", type="branch_pushed", repositories=("x/glib",), ref="refs/heads/m")
    plain = DeliveryRecord(
        id=f"h/{number}",
        hook="h",
        received_at=float(number),
        relayed_at=number + 0.5,
        bytes=10,
        outcome="relayed",
        facts=(fact,),
        fact_count=1,
        place=Place(segment="s", offset=number, ordinal=0),
    )
    return replace(plain, **more)  # type: ignore[arg-type]  # fields of a record


async def opened(path: Path) -> DeliveryBook:
    book = DeliveryBook(path)
    await book.open()
    return book


async def test_records_come_back_as_they_were_newest_first_page_by_page(tmp_path: Path) -> None:
    book = await opened(tmp_path / "deliveries" / "book.sqlite")
    records = [record(number) for number in range(10)]
    await book.note(records)
    # Received in the same moment: the id goes on where the time does not.
    same = [record(20, received_at=9.0), record(21, received_at=9.0)]
    await book.note(same)
    everything = sorted([*records, *same], key=lambda each: (each.received_at, each.id), reverse=True)
    found: list[DeliveryRecord] = []
    before = None
    while page := await book.records(ANY, 3, before):
        found += page
        before = (page[-1].received_at, page[-1].id)
    assert found == everything
    await book.close()


async def test_a_repeat_after_a_crash_is_one_record_and_a_redelivery_another(tmp_path: Path) -> None:
    book = await opened(tmp_path / "book.sqlite")
    await book.note([record(1)])
    await book.note([record(1, relayed_at=9.0)])
    assert await book.records(ANY, 9, None) == [record(1, relayed_at=9.0)]
    await book.note([record(1, received_at=5.0)])
    second, first = await book.records(ANY, 9, None)
    assert (second.redelivery, first.redelivery) == (True, False)
    assert await book.find("h/1") == second
    assert await book.find("h/2") is None
    await book.close()


async def test_filters_narrow(tmp_path: Path) -> None:
    book = await opened(tmp_path / "book.sqlite")
    await book.note([record(1), record(2, hook="g"), record(3, outcome="dead", reason="why", facts=())])
    for wanted, expected in (
        (DeliveryFilter(hook="g"), ["h/2"]),
        (DeliveryFilter(outcome="dead"), ["h/3"]),
        (DeliveryFilter(since=2.0), ["h/3", "h/2"]),
        (DeliveryFilter(until=2.0), ["h/1"]),
        (DeliveryFilter(repository="glib"), ["h/2", "h/1"]),
    ):
        assert [each.id for each in await book.records(wanted, 9, None)] == expected
    await book.close()


async def test_a_number_is_given_once_also_after_a_restart(tmp_path: Path) -> None:
    numbers = []
    for _ in range(3):
        book = await opened(tmp_path / "book.sqlite")
        numbers += [await book.next_replay("h/1", 0.0), await book.next_replay("h/2", 0.0)]
        await book.close()
    assert numbers == [1, 1, 2, 2, 3, 3]


async def test_old_records_and_too_many_are_forgotten_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", 4)
    monkeypatch.setattr(module, "RECORDS_MOST", 5)
    book = await opened(tmp_path / "book.sqlite")
    await book.note([record(number) for number in range(12)])
    assert [await book.forget(3.0), await book.forget(3.0), await book.forget(3.0)] == [4, 3, 0]
    assert [each.id for each in await book.records(ANY, 99, None)] == [f"h/{n}" for n in range(11, 6, -1)]
    await book.close()


async def test_a_file_that_is_no_book_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "book.sqlite").write_bytes(b"no database" * 1000)
    book = await opened(tmp_path / "book.sqlite")
    await book.note([record(1)])
    assert await book.find("h/1") == record(1)
    await book.close()
    assert (tmp_path / "book.damaged").read_bytes() == b"no database" * 1000


async def test_a_disk_that_refuses_is_temporary_and_asked_again(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("in the way")
    book = await opened(tmp_path / "folder" / "book.sqlite")
    with pytest.raises(Temporary):
        await book.note([record(1)])
    (tmp_path / "folder").unlink()
    await book.note([record(1)])
    assert await book.find("h/1") == record(1)
    await book.close()

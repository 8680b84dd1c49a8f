"""The store on a real file: jobs coalesce and wait, the log has no gap, nothing half-done stays."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hookfetch.core.commands import Announce, Client, Refresh
from hookfetch.core.errors import ConfigurationError, Temporary
from hookfetch.core.jobs import Change
from hookfetch.core.observation import RemoteRef
from hookfetch.core.repository import RepositoryId
from hookfetch.core.sources import Element, Source
from hookfetch.store import bindings, handed, jobs, log, refs, takeover
from hookfetch.store.database import Database, refuse_network_file_system
from hookfetch.store.observed import ObservedRefs
from hookfetch.store.schema import SCHEMA_VERSION


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(tmp_path / "p" / "store.sqlite")
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def db(tmp_path: Path) -> sqlite3.Connection:
    """A connection in this thread, for what is about rows and not about threads."""
    connection = sqlite3.connect(tmp_path / "rows.sqlite", isolation_level=None)
    connection.execute("PRAGMA foreign_keys=ON")
    for script in sorted((Path(jobs.__file__).parent / "migrations").glob("*.sql")):
        connection.executescript(script.read_text())
    return connection


def add(
    db: sqlite3.Connection,
    element: str = "a.bst",
    *,
    event: str = "e",
    client: str | None = None,
    track: bool = True,
    now: float = 0.0,
) -> bool:
    asked = None if client is None else Client(request_id=client, reply_to="inbox", wants="track")
    refresh = Refresh(
        element=element, track=track, priority="background" if client is None else "interactive", client=asked
    )
    return jobs.add(db, refresh, event, f"cause of {event}", now)


async def test_what_raises_in_a_transaction_leaves_nothing(database: Database) -> None:
    def half(db: sqlite3.Connection) -> None:
        add(db)
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        await database.run(half)
    assert await database.run(lambda db: db.execute("SELECT count(*) FROM jobs").fetchone()) == (0,)


async def test_a_locked_file_is_temporary(database: Database, tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "p" / "store.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(Temporary, match=r"store\.sqlite: database is locked"):
        await database.run(add)
    other.execute("ROLLBACK")
    other.close()
    await database.run(add)


async def test_a_store_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    database = Database(path)
    with pytest.raises(ConfigurationError, match="run the newer one"):
        await database.open()
    await database.close()


async def test_a_reopened_store_keeps_its_rows(tmp_path: Path) -> None:
    for expected in (1000, 1001):
        database = Database(tmp_path / "store.sqlite")
        await database.open()
        assert (await database.run(lambda db: takeover.begin(db, 1.0))).epoch == expected
        await database.close()
        await database.close()


@pytest.mark.parametrize(
    ("kind", "refused"), [("nfs4", True), ("fuse.sshfs", True), ("ext4", False), ("tmpfs", False)]
)
def test_a_network_file_system_is_refused(tmp_path: Path, kind: str, refused: bool) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/vda / ext4 rw 0 0\nserver:/x {tmp_path}/state {kind} rw 0 0\n")
    folder = tmp_path / "state" / "projects"
    if refused:
        with pytest.raises(ConfigurationError, match=f"is on {kind}"):
            refuse_network_file_system(folder, mounts)
    else:
        refuse_network_file_system(folder, mounts)
    refuse_network_file_system(tmp_path / "state-elsewhere", mounts)


def test_waiting_work_on_one_element_is_one_job(db: sqlite3.Connection) -> None:
    assert not add(db, event="e1", track=False)
    assert add(db, event="e2", track=True)
    [job] = jobs.hand_out(db, 1.0, 10)
    assert job.track
    assert jobs.causes(db, job.id) == ("cause of e1", "cause of e2")


def test_work_on_an_element_whose_job_runs_waits_until_it_is_done(db: sqlite3.Connection) -> None:
    add(db, event="e1")
    [first] = jobs.hand_out(db, 1.0, 10)
    assert not add(db, event="e2")
    assert jobs.hand_out(db, 1.0, 10) == []
    assert jobs.next_due(db) is None
    jobs.finish(db, first.id)
    [second] = jobs.hand_out(db, 1.0, 10)
    assert second.id != first.id


def test_interactive_work_goes_first_and_of_each_priority_no_more_than_the_bound_is_out(
    db: sqlite3.Connection,
) -> None:
    for name in "abc":
        add(db, f"{name}.bst", event=name)
    add(db, "d.bst", event="d", client="r", now=5.0)
    assert [job.element for job in jobs.hand_out(db, 6.0, 2)] == ["d.bst", "a.bst", "b.bst"]
    assert jobs.hand_out(db, 6.0, 2) == []


def test_more_jobs_are_on_their_way_to_workers_only_as_others_begin(db: sqlite3.Connection) -> None:
    for name in "abcde":
        add(db, f"{name}.bst", event=name)
    first, second = jobs.hand_out(db, 1.0, 4, queued=2)
    assert jobs.hand_out(db, 1.0, 4, queued=2) == []
    handed.begin(db, first.id, 2.0)
    handed.begin(db, second.id, 2.0)
    assert [job.element for job in jobs.hand_out(db, 2.0, 4, queued=2)] == ["c.bst", "d.bst"]
    for element in ("c.bst", "d.bst"):
        running = handed.of(db, element)
        assert running is not None
        handed.begin(db, running.id, 3.0)
    assert jobs.hand_out(db, 3.0, 4, queued=2) == []


def test_a_failed_job_waits_out_its_backoff_whatever_the_background_asks(db: sqlite3.Connection) -> None:
    add(db)
    [job] = jobs.hand_out(db, 0.0, 10)
    jobs.put_back(db, job.id, 60.0, "404", failed=True)
    add(db, event="e2", now=1.0)
    assert jobs.hand_out(db, 59.0, 10) == []
    assert jobs.next_due(db) == 60.0
    add(db, event="e3", client="r", now=2.0)
    [again] = jobs.hand_out(db, 2.0, 10)
    assert (again.id, again.attempt) == (job.id, 2)
    running = jobs.running(db, job.id)
    assert running is not None
    assert running.failures == 1


def test_a_failed_job_takes_in_the_one_that_waited_behind_it(db: sqlite3.Connection) -> None:
    add(db, event="e1", track=False)
    [job] = jobs.hand_out(db, 0.0, 10)
    add(db, event="e2", track=True)
    jobs.put_back(db, job.id, 60.0, "404", failed=True)
    assert jobs.causes(db, job.id) == ("cause of e1", "cause of e2")
    [again] = jobs.hand_out(db, 60.0, 10)
    assert again.track


def test_a_client_who_came_while_the_job_ran_is_not_kept_waiting_by_its_failure(
    db: sqlite3.Connection,
) -> None:
    add(db, event="e1")
    [job] = jobs.hand_out(db, 0.0, 10)
    add(db, event="e2", client="r")
    jobs.put_back(db, job.id, 60.0, "404", failed=True)
    [again] = jobs.hand_out(db, 1.0, 10)
    assert again.interactive


def test_jobs_that_no_worker_finished_are_taken_back(db: sqlite3.Connection) -> None:
    add(db, "a.bst")
    jobs.hand_out(db, 0.0, 10)
    add(db, "b.bst")
    jobs.hand_out(db, 50.0, 10)
    assert jobs.take_back(db, 10.0, 60.0, "no worker finished it") == 1
    assert [job.element for job in jobs.hand_out(db, 60.0, 10)] == ["a.bst"]


def change(ref: str, base: str = "1", index: int = 0) -> Change:
    return Change(index=index, kind="git_repo", url=None, base=base, previous=base, ref=ref)


def announce(db: sqlite3.Connection, element: str, ref: str) -> int:
    command = Announce(
        element=element, changes=(change(ref),), cached=True, element_key="k", source_keys=(), job_id="none"
    )
    entry = log.append(db, "log", "p", command, (), 0.0)
    refs.propose(db, element, command.changes, entry.number)
    return entry.number


def test_the_log_counts_from_one_without_a_gap_also_after_compaction(db: sqlite3.Connection) -> None:
    numbers = [announce(db, f"{i % 3}.bst", str(i)) for i in range(9)]
    assert numbers == list(range(1, 10))
    assert [number for number, _ in log.unpublished(db, 4)] == [1, 2, 3, 4]
    log.published(db, 9)
    log.compact(db, 2, 0.0)
    kept = [row[0] for row in db.execute("SELECT number FROM log ORDER BY number")]
    assert kept == [7, 8, 9]  # the newest two, and the newest of the third element
    assert announce(db, "0.bst", "x") == 10


def test_compaction_forgets_ended_events_and_no_open_ones(db: sqlite3.Connection) -> None:
    for name in ("ended", "open"):
        assert log.note(db, name, "d", "branch_pushed", 1.0)
    log.conclude(db, "ended", "done", None)
    log.compact(db, 1, 2.0)
    assert log.note(db, "ended", "d", "branch_pushed", 3.0)
    assert not log.note(db, "open", "d", "branch_pushed", 3.0)


def test_an_event_with_two_jobs_ends_with_the_second(db: sqlite3.Connection) -> None:
    log.note(db, "e", "d", "branch_pushed", 0.0)
    add(db, "a.bst")
    add(db, "b.bst")
    ended = []
    for job in jobs.hand_out(db, 0.0, 10):
        log.conclude_causes(db, job.id, "done", None)
        jobs.finish(db, job.id)
        ended.append(db.execute("SELECT outcome FROM events").fetchone()[0])
    assert ended == [None, "done"]


def test_a_proposal_ends_when_the_branch_holds_it_or_its_source_went(db: sqlite3.Connection) -> None:
    for name in ("landed", "pending", "gone", "changed", "chosen"):
        announce(db, f"{name}.bst", "2")

    def element(name: str, ref: str, kind: str = "git_repo") -> Element:
        source = Source(index=0, kind=kind, ref=ref)
        return Element(name=f"{name}.bst", kind="import", sources=(source,))

    loaded = [
        element("landed", "2"),
        element("pending", "1"),
        element("changed", "1", "tar"),
        element("chosen", "3"),
    ]
    landed, superseded = refs.settle(db, loaded)
    assert list(landed) == ["landed.bst"]
    assert {name: [each.committed for each in found] for name, found in superseded.items()} == {
        "changed.bst": [None],
        "chosen.bst": ["3"],
        "gone.bst": [None],
    }
    assert [refs.proposed(db, f"{name}.bst") for name in ("landed", "pending", "chosen")] == [
        {},
        {0: "2"},
        {},
    ]
    assert refs.withdrawn(db, "chosen.bst") == {0: "2"}
    assert refs.settle(db, [element("chosen", "2")])[1].keys() == {"pending.bst"}
    assert refs.withdrawn(db, "chosen.bst") == {}  # the branch has it


def test_a_ref_back_at_the_branch_is_proposed_no_more(db: sqlite3.Connection) -> None:
    announce(db, "a.bst", "2")
    announce(db, "a.bst", "1")
    assert refs.proposed(db, "a.bst") == {}


def test_bindings_are_replaced_whole(db: sqlite3.Connection) -> None:
    bindings.store(db, {"a", "b"})
    bindings.store(db, {"b", "c"})
    assert bindings.stored(db) == {"b", "c"}


async def test_a_repository_never_asked_differs_from_an_empty_one(database: Database) -> None:
    here, there = RepositoryId("example.org/a"), RepositoryId("example.org/b")
    observed = ObservedRefs(database, lambda: 1.0)
    assert await observed.known_refs(here) is None
    await observed.remember_refs(here, {"refs/heads/x": RemoteRef(oid="1" * 40)}, [])
    tag = {"refs/tags/v1": RemoteRef(oid="2" * 40, peeled="3" * 40)}
    await observed.remember_refs(there, tag, [])
    await observed.remember_refs(here, {}, [])
    assert await observed.known_refs(here) == {}
    assert await observed.known_refs(there) == tag

"""A model of an upstream, its forge, the sweep and the workers around the real handlers and the real store.

Hypothesis moves it; no bus, no time. What moves the upstream, and what must hold, is with the tests.
"""

import dataclasses
import sqlite3
from collections.abc import Callable
from importlib.resources import files
from itertools import count

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from hookfetch.config.supplied import SuppliedConfig
from hookfetch.coordinator.execute import Execution
from hookfetch.coordinator.view import StoredState
from hookfetch.core.codec import load_record
from hookfetch.core.entries import AlarmRaised, RefUpdated
from hookfetch.core.events import (
    BranchPushed,
    Event,
    Fact,
    JobDone,
    JobFailed,
    SourceRef,
    TagPushed,
    TrackRequested,
)
from hookfetch.core.globs import Glob
from hookfetch.core.matching import Index
from hookfetch.core.moves import Patience
from hookfetch.core.observation import Observation, RemoteRef, followed, observe
from hookfetch.core.policy import Policy, PolicyKeys
from hookfetch.core.repository import identify
from hookfetch.core.sources import Element, Source
from hookfetch.core.state import RetryPolicy
from hookfetch.handlers import decide
from hookfetch.store import jobs, log, observed, refs, takeover

URL = "https://example.org/up.git"
HERE = identify(URL)
assert HERE is not None
MAIN = "refs/heads/main"
FIRST = f"{1:040x}"
TRACKS = {"branch.bst": "main", "tags.bst": "v*"}
ELEMENTS = [
    Element(
        name=name,
        kind="import",
        sources=(Source(index=0, kind="git_repo", urls=(URL,), track={"track": track}, ref=FIRST),),
    )
    for name, track in TRACKS.items()
]
RETRY = RetryPolicy(first=5.0, most=60.0, attempts=3, quarantine=86400.0)
REACTIONS = st.sampled_from(["follow", "hold"])


class UpstreamModel(RuleBasedStateMachine):
    """Delivers what the forge says of its upstream in any order, late, again or not at all."""

    def __init__(self) -> None:
        super().__init__()
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        for script in sorted(files("hookfetch.store").joinpath("migrations").iterdir(), key=lambda f: f.name):
            if script.name.endswith(".sql"):
                self.db.executescript(script.read_text())
        self.index = Index.of(ELEMENTS)
        self.epoch = 0
        self.log_id = ""
        self.now = 1000.0
        self.numbers = count(2)
        self.ids = count(1)
        self.heads = {MAIN: FIRST, "refs/tags/v1": FIRST}
        self.parents: dict[str, str | None] = {FIRST: None}
        self.undelivered: list[Fact] = []
        self.delivered: list[Fact] = []
        self.running: dict[str, tuple[jobs.DueJob, str, str]] = {}  # job id -> job, ref before, ref it found
        self.handled: set[str] = set()
        self.starts = 0
        self.rewrites = 0
        self.restarts = 0
        self.lost = False
        self.reordered = False

    @initialize(
        debounce=st.sampled_from([0.0, 10.0]),
        interval=st.sampled_from([0.0, 50.0]),
        branch=REACTIONS,
        tag=REACTIONS,
    )
    def begin(self, debounce: float, interval: float, branch: str, tag: str) -> None:
        policy = PolicyKeys(
            debounce=debounce,
            minimum_interval=interval,
            rewritten_branch=branch,  # type: ignore[arg-type] # one of the two words
            moved_tag=tag,  # type: ignore[arg-type] # the same
        )
        self.policy = Policy(configured=[([Glob("**")], policy)])
        self.restart()
        self.sweep()
        self.restarts = 0

    # What a test does to the upstream

    def commit(self, parent: str) -> str:
        commit = f"{next(self.numbers):040x}"
        self.parents[commit] = parent
        return commit

    def move(self, ref: str, commit: str, *, forced: bool | None) -> None:
        before = self.heads.get(ref, "0" * 40)
        self.heads[ref] = commit
        kind = BranchPushed if ref == MAIN else TagPushed
        self.tell(kind, ref=ref, before=before, after=commit, target=commit, forced=forced)

    def tell(self, kind: Callable[..., Fact], **fields: object) -> None:
        delivery = f"hook/{next(self.ids)}"
        fact = kind(
            id=f"{delivery}#0", delivery_id=delivery, observed_at=self.now, repositories=(HERE,), **fields
        )
        self.undelivered.append(fact)

    def descends(self, commit: str, ancestor: str) -> bool:
        at: str | None = commit
        while at is not None:
            if at == ancestor:
                return True
            at = self.parents[at]
        return False

    def selected(self, element: str) -> str:
        [follower] = [f for f in self.index.followers(HERE) if f.element == element]
        [ref] = follower.rule.selects(self.heads)
        return self.heads[ref]

    # What reaches the coordinator

    @precondition(lambda self: self.undelivered)
    @rule(data=st.data())
    def deliver(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.undelivered) - 1))
        self.reordered |= place > 0
        fact = self.undelivered.pop(place)
        self.delivered.append(fact)
        self.handle(fact)

    @precondition(lambda self: self.undelivered)
    @rule(data=st.data())
    def lose(self, data: st.DataObject) -> None:
        self.lost = True
        self.undelivered.pop(data.draw(st.integers(0, len(self.undelivered) - 1)))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        before = self.rows("SELECT * FROM jobs"), self.rows("SELECT * FROM log")
        self.handle(data.draw(st.sampled_from(self.delivered)))
        assert before == (self.rows("SELECT * FROM jobs"), self.rows("SELECT * FROM log"))

    @rule()
    def sweep(self) -> None:
        followers = self.index.followers(HERE)
        seen = {ref: RemoteRef(oid=commit) for ref, commit in self.heads.items()}
        look = Observation(id=str(next(self.ids)), repository=HERE, urls=(URL,), refs=seen, seen_at=self.now)
        known = observed.observed(self.db, HERE)
        for fact in observe(look, known, followers):
            self.handle(fact)
        self.db.execute("DELETE FROM observed_repositories")
        self.db.execute("DELETE FROM observed")
        self.db.execute(
            "INSERT INTO observed_repositories (repository, observed_at) VALUES (?, ?)", (HERE, self.now)
        )
        self.db.executemany(
            "INSERT INTO observed VALUES (?, ?, ?, NULL)",
            [(HERE, ref, found.oid) for ref, found in followed(seen, followers).items()],
        )

    @rule(element=st.sampled_from(sorted(TRACKS)))
    def ask(self, element: str) -> None:
        self.handle(TrackRequested(id=f"request/{next(self.ids)}", element=element))

    @rule(seconds=st.sampled_from([1.0, 20.0, 100.0]))
    def hand_out(self, seconds: float) -> None:
        self.now += seconds
        for due in sorted(jobs.hand_out(self.db, self.now, 64), key=lambda due: due.element):
            self.starts += 1
            self.running[due.id] = (due, self.announced(due.element), self.selected(due.element))

    @precondition(lambda self: self.running)
    @rule(data=st.data(), known=st.booleans())
    def done(self, data: st.DataObject, known: bool) -> None:
        job_id = self._drawn(data)
        self._done(job_id, known)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        due, _, _ = self.running.pop(self._drawn(data))
        event = JobFailed(
            id=f"{due.id}/{self.epoch}.{due.attempt}/failed",
            job_id=due.id,
            epoch=self.epoch,
            attempt=due.attempt,
            element=due.element,
            reason="404",
        )
        self.handle(event)

    @rule()
    def restart(self) -> None:
        self.restarts += 1
        begun = takeover.begin(self.db, self.now)
        self.log_id, self.epoch = "log", begun.epoch
        self.running.clear()

    def _drawn(self, data: st.DataObject) -> str:
        """Return the id of a running job; ids are random, elements are not."""
        by_element = {due.element: job_id for job_id, (due, _, _) in self.running.items()}
        return by_element[data.draw(st.sampled_from(sorted(by_element)))]

    def _done(self, job_id: str, known: bool) -> None:
        due, before, found = self.running.pop(job_id)
        descends = {0: self.descends(found, before)} if known and before != found else {}
        event = JobDone(
            id=f"{due.id}/{self.epoch}.{due.attempt}/done",
            job_id=due.id,
            epoch=self.epoch,
            attempt=due.attempt,
            element=due.element,
            refs=(SourceRef(index=0, kind="git_repo", url=URL, ref=found),),
            cached=True,
            element_key="key",
            source_keys=(),
            milliseconds={},
            descends=descends,
        )
        self.handle(event)

    def handle(self, event: Event) -> None:
        cause = event.delivery_id if isinstance(event, Fact) else event.id
        if not log.note(self.db, event.id, cause, event.type, self.now):
            return
        self.handled.add(event.id)
        values = {
            "db": self.db,
            "index": self.index,
            "own": None,
            "unhealthy": None,
            "epoch": self.epoch,
            "retry": RETRY,
            "patience": Patience(),
            "supplied_rules": SuppliedConfig().rules(),
            "aliases": {},
            "policy": self.policy,
            "project": "p",
            "log_id": self.log_id,
            "event_id": event.id,
            "cause": cause,
            "now": self.now,
        }
        state = StoredState(**{f.name: values[f.name] for f in dataclasses.fields(StoredState)})
        execution = Execution(
            **{f.name: values[f.name] for f in dataclasses.fields(Execution) if f.name in values}
        )
        execution.run(decide(event, state))

    # What came of it

    def rows(self, query: str) -> list[tuple[object, ...]]:
        return self.db.execute(query).fetchall()

    def announced(self, element: str) -> str:
        return str(refs.proposed(self.db, element).get(0, FIRST))

    def entries(self) -> list[RefUpdated | AlarmRaised]:
        found = [load_record(row[0]) for row in self.db.execute("SELECT entry FROM log ORDER BY number")]
        assert all(isinstance(entry, RefUpdated | AlarmRaised) for entry in found)
        return found  # type: ignore[return-value] # as was just seen

    def settle(self) -> None:
        """Let every job come to its end, with all that is known."""
        for _ in range(50):
            self.now += (
                86400.0
                if not self.rows("SELECT 1 FROM jobs WHERE held = 0 AND set_aside_at IS NULL")
                else 700.0
            )
            for due in sorted(jobs.hand_out(self.db, self.now, 64), key=lambda due: due.element):
                self.starts += 1
                self.running[due.id] = (due, self.announced(due.element), self.selected(due.element))
            for job_id in sorted(self.running, key=lambda job_id: self.running[job_id][0].element):
                self._done(job_id, known=True)
            if not self.rows("SELECT 1 FROM jobs WHERE held = 0"):
                return
        raise AssertionError("jobs never end", self.rows("SELECT * FROM jobs"))

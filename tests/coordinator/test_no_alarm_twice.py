"""A rewrite is one alarm of an element, whoever tells of it: hooks, the sweep and the engine, in any order,
late, again, or after a restart."""

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from hookfetch.core.entries import AlarmRaised
from hookfetch.core.events import BranchPushed, Event, Fact, TagDeleted
from tests.coordinator.upstream_model import FIRST, MAIN, UpstreamModel

TAG = "refs/tags/v1"


class Rewritten(UpstreamModel):
    """Rewrites the branch and the tag once each, among ordinary pushes; two hooks tell of it all.

    Of several rewrites no more can be promised: a word that a tag is there again, if it comes after
    that of its next removal, looks like a third.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rewritten: Counter[str] = Counter()
        self.replays = 0
        self.told = False

    def tell(self, kind: type[Fact], **fields: object) -> None:
        super().tell(kind, **fields)
        fact = self.undelivered[-1]
        self.undelivered.append(
            replace(fact, id=f"system-{fact.id}", delivery_id=f"system-{fact.delivery_id}")
        )

    def handle(self, event: Event) -> None:
        super().handle(event)
        self.told |= isinstance(event, BranchPushed) and event.forced is True

    @rule()
    def push(self) -> None:
        self.move(MAIN, self.commit(self.heads[MAIN]), forced=False)

    @precondition(lambda self: not self.rewritten[MAIN])
    @rule(data=st.data())
    def force(self, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from([*self.parents, self.commit(FIRST)]))
        if not self.descends(commit, self.heads[MAIN]):
            self.rewritten[MAIN] += 1
            self.move(MAIN, commit, forced=True)

    @precondition(lambda self: not self.rewritten[TAG])
    @rule(data=st.data())
    def move_tag(self, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from([*self.parents, self.commit(FIRST)]))
        if self.heads.get(TAG) != commit:
            self.rewritten[TAG] += 1
            self.move(TAG, commit, forced=None)

    @precondition(lambda self: not self.rewritten[TAG])
    @rule()
    def remove_tag(self) -> None:
        self.rewritten[TAG] += 1
        self.heads["refs/tags/v0"] = FIRST  # so that the element has something to fall back to
        self.tell(TagDeleted, ref=TAG, before=self.heads.pop(TAG))

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        fact = data.draw(st.sampled_from(self.delivered))
        self.replays += 1
        replayed = f"{fact.delivery_id}~{self.replays}"
        self.handle(replace(fact, id=f"{replayed}#0", delivery_id=replayed))

    @invariant()
    def there_are_no_more_alarms_than_rewrites(self) -> None:
        for (element, ref), count in self.alarms().items():
            assert count <= self.rewritten[ref], (element, ref)

    def alarms(self) -> Counter[tuple[str, str]]:
        return Counter(
            (entry.element, str(entry.ref)) for entry in self.entries() if isinstance(entry, AlarmRaised)
        )

    def teardown(self) -> None:
        if hasattr(self, "policy"):
            while self.undelivered:
                self.handle(self.undelivered.pop())
            self.settle()
            self.there_are_no_more_alarms_than_rewrites()
            if self.told:
                assert self.alarms()["branch.bst", MAIN] == 1
        self.db.close()


TestNoAlarmTwice = Rewritten.TestCase
TestNoAlarmTwice.settings = settings(
    max_examples=80, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

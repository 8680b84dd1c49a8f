"""Whatever order deliveries come in, how late and how often: an element ends at what its upstream holds."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from hookfetch.core.entries import AlarmRaised
from hookfetch.core.events import TagDeleted
from hookfetch.store import observed
from tests.coordinator.upstream_model import FIRST, HERE, MAIN, TRACKS, UpstreamModel


class Upstream(UpstreamModel):
    """Moves the upstream in every way."""

    @rule()
    def push(self) -> None:
        before = self.heads[MAIN]
        self.move(MAIN, self.commit(before), forced=False)

    @rule(data=st.data())
    def force(self, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from([*self.parents, self.commit(FIRST)]))
        if commit != self.heads[MAIN]:
            self.rewrites += 1
            self.move(MAIN, commit, forced=not self.descends(commit, self.heads[MAIN]))

    @rule()
    def back_to_what_was_announced(self) -> None:
        commit = self.announced("branch.bst")
        if commit != self.heads[MAIN]:
            self.rewrites += 1
            self.move(MAIN, commit, forced=not self.descends(commit, self.heads[MAIN]))

    @rule()
    def back_in_silence(self) -> None:
        """Be as the sweep saw it last, without a word from the forge."""
        seen = observed.observed(self.db, HERE)
        if seen and (found := seen.get(MAIN)) is not None and found.oid != self.heads[MAIN]:
            self.rewrites += 1
            self.lost = True
            self.heads[MAIN] = found.oid

    @rule(version=st.integers(1, 3), data=st.data())
    def tag(self, version: int, data: st.DataObject) -> None:
        commit = data.draw(st.sampled_from(list(self.parents)))
        ref = f"refs/tags/v{version}"
        if self.heads.get(ref) != commit:
            self.rewrites += ref in self.heads
            self.move(ref, commit, forced=None)

    @precondition(lambda self: sum(ref.startswith("refs/tags/") for ref in self.heads) > 1)
    @rule(data=st.data())
    def untag(self, data: st.DataObject) -> None:
        ref = data.draw(st.sampled_from(sorted(ref for ref in self.heads if ref.startswith("refs/tags/"))))
        self.rewrites += 1
        self.tell(TagDeleted, ref=ref, before=self.heads.pop(ref))

    @invariant()
    def numbers_have_no_gap(self) -> None:
        entries = self.entries()
        assert [entry.number for entry in entries] == list(range(1, len(entries) + 1))

    @invariant()
    def an_open_event_has_an_open_job(self) -> None:
        assert not self.rows(
            "SELECT id FROM events WHERE outcome IS NULL AND id NOT IN (SELECT event_id FROM job_causes)"
        )

    @invariant()
    def no_element_is_told_the_same_rewrite_twice_in_a_row(self) -> None:
        last: dict[tuple[str, str | None], AlarmRaised] = {}
        for entry in self.entries():
            if isinstance(entry, AlarmRaised):
                before = last.get((entry.element, entry.ref))
                if before is not None and before.after == entry.after and before.kind == entry.kind:
                    moved = [
                        other
                        for other in self.entries()
                        if other.element == entry.element and before.number < other.number < entry.number
                    ]
                    assert moved or self.rewrites > 1 or self.reordered
                last[entry.element, entry.ref] = entry
            else:
                before_ref = entry.changes[0].previous
                assert entry.changes[0].ref != before_ref

    def teardown(self) -> None:
        if not hasattr(self, "policy"):
            return
        while self.undelivered:
            self.handle(self.undelivered.pop())
        self.settle()
        if self.lost:
            self.sweep()
            self.settle()
        held = {row[0] for row in self.rows("SELECT element FROM jobs")}
        for element in TRACKS:
            if element not in held and not self._kept_back(element):
                assert self.announced(element) == self.selected(element), element
        # A person decides, and nothing is held any more.
        for element in TRACKS:
            self.ask(element)
        self.settle()
        for element in TRACKS:
            assert self.announced(element) == self.selected(element), element
        assert self.rows("SELECT * FROM jobs") == []
        outcomes = dict(self.db.execute("SELECT id, outcome FROM events"))
        assert outcomes.keys() == self.handled
        assert None not in outcomes.values()
        assert self.starts <= 2 * len(self.handled) + 2 * self.restarts + 8
        self.db.close()

    def _kept_back(self, element: str) -> bool:
        """Return whether the policy keeps the element from falling back behind a removed tag."""
        return bool(
            self.db.execute("SELECT 1 FROM rewrites WHERE element = ? AND held = 1", (element,)).fetchone()
        )


TestConvergence = Upstream.TestCase
TestConvergence.settings = settings(
    max_examples=150, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)

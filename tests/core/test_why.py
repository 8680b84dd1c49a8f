"""One sentence for why an element has not moved, one word for how a delivery stands."""

from dataclasses import replace

import pytest

from hookfetch.core.kept import DeliveryRecord
from hookfetch.core.questions import ElementReport, Ended, Paused, SeenRef, SourceReport, StoryJob
from hookfetch.core.why import Heard, end_of, sentence

NOW = 1_000_000.0
SOURCE = SourceReport(
    index=0,
    kind="git_repo",
    repository="example.org/a",
    follows=("refs/heads/main",),
    committed="1" * 40,
    seen=(SeenRef(ref="refs/heads/main", commit="1" * 40),),
    seen_since=NOW - 60,
)
AT_REST = ElementReport(project="p", element="a.bst", epoch=1, now=NOW, known=True, sources=(SOURCE,))
JOB = StoryJob(id="j", element="a.bst", state="waiting", attempts=0, asked_at=NOW - 5, due_at=NOW - 5)
PAUSED = Paused(since=NOW - 30, reason="a freeze", by="ipv4:127.0.0.1:1")


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (AT_REST, "up to date: the branch holds its newest ref"),
        (replace(AT_REST, sources=(replace(SOURCE, proposed="2"),)), "announced, and not yet in the branch"),
        (replace(AT_REST, unhealthy="project.conf: no plugin"), "unhealthy: project.conf: no plugin"),
        (replace(AT_REST, known=False), "has no element 'a.bst'"),
        (replace(AT_REST, sources=()), "has no sources"),
        (replace(AT_REST, sources=(replace(SOURCE, follows=()),)), "without `track` nothing moves it"),
        (replace(AT_REST, sources=(replace(SOURCE, seen_since=None, seen=()),)), "was not asked yet"),
        (replace(AT_REST, sources=(replace(SOURCE, seen=()),)), "matches refs/heads/main"),
        (replace(AT_REST, jobs=(JOB,)), "waits for a free worker"),
        (
            replace(AT_REST, jobs=(replace(JOB, state="ended", reason="cancelled by ipv4:127.0.0.1:1"),)),
            "last job was cancelled by ipv4:127.0.0.1:1: `hookfetch track`",
        ),
        (
            replace(AT_REST, jobs=(replace(JOB, state="running", started_at=NOW - 7),)),
            "worked on since 1970-01-12 13:46:33 UTC (7 s ago)",
        ),
        (replace(AT_REST, jobs=(replace(JOB, due_at=NOW + 20),)), "waits 20 s more, as the policy spaces"),
        (
            replace(AT_REST, jobs=(replace(JOB, due_at=NOW + 600, failures=2, reason="404"),)),
            "failing, 2 failures in a row so far, and tried again in 10 min: 404",
        ),
        (
            replace(
                AT_REST,
                jobs=(replace(JOB, due_at=NOW + 86400, failures=5, set_aside_at=NOW, reason="404"),),
            ),
            "set aside for 24 h more after 5 failures in a row: 404",
        ),
        (
            replace(
                AT_REST, jobs=(replace(JOB, due_at=NOW + 86400, set_aside_at=NOW, held=True, reason="moved"),)
            ),
            "held by the policy: moved",
        ),
        (replace(AT_REST, paused=PAUSED), "a freeze; nothing is looked for"),
        (replace(AT_REST, paused=PAUSED, jobs=(JOB,)), "a job waits until it is resumed"),
        (replace(AT_REST, paused=PAUSED, jobs=(replace(JOB, interactive=True),)), "waits for a free worker"),
        (
            replace(AT_REST, jobs=(StoryJob(id="j", element="a.bst", state="ended", attempts=1),)),
            "up to date",
        ),
    ],
)
def test_the_sentence_says(report: ElementReport, says: str) -> None:
    assert says in sentence(report)


def test_the_sentence_names_who_keeps_an_element_and_a_mistake_in_its_own_policy() -> None:
    said = sentence(AT_REST, "a.bst is pinned by hookfetch.toml", "a.bst: public: hookfetch: pin: no boolean")
    assert said == (
        "The policy keeps its refs: a.bst is pinned by hookfetch.toml."
        " Its own policy is not heeded: a.bst: public: hookfetch: pin: no boolean."
    )


RELAYED = DeliveryRecord(id="h/1", hook="h", received_at=1.0, relayed_at=2.0, bytes=3, outcome="relayed")


def ended(*outcomes: str | None) -> list[Ended]:
    return [Ended(delivery_id="h/1", outcome=outcome) for outcome in outcomes]  # type: ignore[arg-type] # words


@pytest.mark.parametrize(
    ("record", "ends", "word"),
    [
        (replace(RELAYED, outcome="waiting", relayed_at=None), [], "waiting"),
        (replace(RELAYED, outcome="dead"), ended("done"), "dead"),
        (replace(RELAYED, outcome="nothing"), [], "nothing to do"),
        (RELAYED, [], "nothing to do"),
        (RELAYED, ended("done", None), "open"),
        (RELAYED, ended("done", "set aside"), "set aside"),
        (RELAYED, ended("nothing to do", "done"), "done"),
        (RELAYED, ended("nothing to do", "coalesced"), "coalesced"),
        (None, ended("done"), "done"),
    ],
)
def test_a_delivery_ends_as(record: DeliveryRecord | None, ends: list[Ended], word: str) -> None:
    assert end_of(record, Heard(ended=ends))[0] == word


@pytest.mark.parametrize(
    ("heard", "word", "reason"),
    [
        (Heard(ended=ended("done"), behind=["q"]), "waiting", "not handled yet by q"),
        (Heard(ended=ended("done"), silent=["q"]), "done", None),
        (Heard(silent=["q"], lately=True), "waiting", "no answer from q"),
        (Heard(lately=True), "nothing to do", "no project follows it"),
        (Heard(), "nothing to do", "hookfetch dead list"),
    ],
)
def test_what_is_not_known_yet_is_not_told_as_an_end(heard: Heard, word: str, reason: str | None) -> None:
    told, why = end_of(RELAYED, heard)
    assert told == word
    assert why is None if reason is None else reason in str(why)

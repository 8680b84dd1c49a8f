"""What a gateway asks every running coordinator and ingress, and what they answer.

A question changes nothing but `ReplayAsked`, and is never kept: who is not there does not answer. Who
has nothing to say stays silent. Answers are bounded: `*_MOST` is how much of each is told.
"""

from dataclasses import dataclass, field
from typing import Literal

from hookfetch.core.commands import Outcome
from hookfetch.core.kept import ToldFact
from hookfetch.core.outage import CacheOutage
from hookfetch.core.standing import ElementStanding, ElementState

EVENTS_MOST = 200
JOBS_MOST = 200
ENTRIES_MOST = 200
LAST_ENTRIES = 5
PAGE_MOST = 100
FACTS_ASKED_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every question carries: its id, and the inbox that takes answers."""

    id: str
    reply_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryAsked(Question):
    """What became of a delivery? Ingresses and coordinators answer."""

    delivery_id: str
    type: Literal["story_asked"] = "story_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomesAsked(Question):
    """How did these deliveries (at most `PAGE_MOST`) end, and which of `facts` (at most `FACTS_ASKED_MOST`),
    told to the bus lately, are still to be handled? Coordinators answer."""

    delivery_ids: tuple[str, ...]
    facts: tuple[ToldFact, ...] = ()
    type: Literal["outcomes_asked"] = "outcomes_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyAsked(Question):
    """Why has an element not moved? Its project's coordinator answers."""

    project: str
    element: str
    type: Literal["why_asked"] = "why_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateAsked(Question):
    """How are the projects? Their coordinators answer."""

    type: Literal["state_asked"] = "state_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementsAsked(Question):
    """Which elements have open jobs? Coordinators of `projects` answer with at most `limit`, and `PAGE_MOST`,
    in one of `states` and matching one of `globs`; none of the three means all. `after` goes on after a
    page: its last one's rank, project and name."""

    limit: int
    projects: tuple[str, ...] = ()
    states: tuple[ElementState, ...] = ()
    globs: tuple[str, ...] = ()
    after: tuple[int, str, str] | None = None
    type: Literal["elements_asked"] = "elements_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """Background work rests `since` (Unix seconds) on the wish of `by`, a peer's address."""

    since: float
    reason: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEvent:
    """An event that a coordinator handled; no `outcome` while a job of it is open. Unix seconds."""

    id: str
    delivery_id: str
    type: str
    handled_at: float
    outcome: Outcome | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryJob:
    """A job, open or ended. Times are Unix seconds, `due_at` only of a waiting one and `ended_at` only of
    an ended one; `started_at` is when it was last handed out. `entry` is the log entry that it led to.
    """

    id: str
    element: str
    state: Literal["waiting", "running", "ended"]
    attempts: int
    failures: int = 0
    reason: str | None = None
    asked_at: float | None = None
    started_at: float | None = None
    due_at: float | None = None
    ended_at: float | None = None
    set_aside_at: float | None = None
    held: bool = False
    awaits_cache: bool = False
    interactive: bool = False
    outcome: Outcome | None = None
    entry: int | None = None
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoryEntry:
    """An entry of the log; `changes` are lines for a person. `announced_at` is in Unix seconds."""

    number: int
    type: str
    element: str
    announced_at: float
    changes: tuple[str, ...] = ()
    cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStory:
    """A delivery as one project's coordinator saw it; `truncated` when there is more than is told."""

    project: str
    epoch: int
    events: tuple[StoryEvent, ...] = ()
    jobs: tuple[StoryJob, ...] = ()
    entries: tuple[StoryEntry, ...] = ()
    truncated: bool = False
    type: Literal["project_story"] = "project_story"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How one event of a delivery ended in a project; None while it is open."""

    delivery_id: str
    outcome: Outcome | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOutcomes:
    """How deliveries ended in one project, one for each different outcome. `unhandled` are the ids of the
    facts asked about that the project is bound to and has not handled."""

    project: str
    epoch: int
    ended: tuple[Ended, ...] = ()
    unhandled: tuple[str, ...] = ()
    type: Literal["project_outcomes"] = "project_outcomes"


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRef:
    """A followed ref as the upstream held it when it was last seen to change."""

    ref: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """What a source follows and where it stands. `follows` are patterns, none for one that follows
    nothing. Refs are texts, JSON where they are not strings. `seen_since` (Unix seconds) is when its
    upstream was last seen to change, None where it was never asked."""

    index: int
    kind: str
    url: str | None = None
    repository: str | None = None
    follows: tuple[str, ...] = ()
    committed: str | None = None
    proposed: str | None = None
    seen: tuple[SeenRef, ...] = ()
    seen_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementReport:
    """Where an element stands. `summary` is one sentence: why it has not moved. `known` is false when the
    project, as it was last loaded, has no such element. `now` is the coordinator's clock."""

    project: str
    element: str
    epoch: int
    now: float
    known: bool
    summary: str = ""
    unhealthy: str | None = None
    paused: Paused | None = None
    sources: tuple[SourceReport, ...] = ()
    jobs: tuple[StoryJob, ...] = ()
    entries: tuple[StoryEntry, ...] = ()
    type: Literal["element_report"] = "element_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectReport:
    """How a project is. Counts are jobs; `oldest_waiting_at` (Unix seconds) is when the oldest of the
    waiting ones was asked for; `last_entry` is the log's newest number, 0 before there is one.
    `missed_by_hooks` is what only the sweep found in hooked repositories, the last at `last_missed_at`.
    `revision` is the commit in use, None before there is one and for a checkout; the sources of `ahead`
    elements are still to be fetched before anyone asks. `cache_away` is None while it answers."""

    project: str
    epoch: int
    unhealthy: str | None = None
    paused: Paused | None = None
    waiting: int = 0
    running: int = 0
    set_aside: int = 0
    oldest_waiting_at: float | None = None
    last_entry: int = 0
    missed_by_hooks: int = 0
    last_missed_at: float | None = None
    revision: str | None = None
    ahead: int = 0
    cache_away: CacheOutage | None = None
    type: Literal["project_report"] = "project_report"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectElements:
    """A page of one project's elements. `counts` are of all that match, by state."""

    project: str
    epoch: int
    paused: bool = False
    elements: tuple[ElementStanding, ...] = ()
    counts: dict[ElementState, int] = field(default_factory=dict)
    type: Literal["project_elements"] = "project_elements"


AnyQuestion = StoryAsked | OutcomesAsked | WhyAsked | StateAsked | ElementsAsked
AnyAnswer = ProjectStory | ProjectOutcomes | ElementReport | ProjectReport | ProjectElements

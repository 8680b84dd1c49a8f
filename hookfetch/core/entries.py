"""What stands in a project's log: numbered entries for everyone who follows it, marks that say which
coordinator may write, and what the next coordinator has to know.
"""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.jobs import Change
from hookfetch.core.moves import Upgrade
from hookfetch.core.sources import Ref

AlarmKind = Literal["branch_rewound", "branch_deleted", "tag_moved", "tag_deleted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What every numbered entry carries.

    `number` starts at 1 and has no gap, whatever the entries are; `log_id` names the log it
    belongs to, `epoch` the coordinator that published it (0 while it is only stored). `causes`
    are the delivery, sweep or request ids that led here. `announced_at` is in Unix seconds.
    """

    log_id: str
    number: int
    project: str
    element: str
    causes: tuple[str, ...]
    announced_at: float
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RefUpdated(Entry):
    """An element's sources moved and are cached; `cached` is false only where the project has no
    source cache. `upgrade` says of a newer version which it is."""

    changes: tuple[Change, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    upgrade: Upgrade | None = None
    type: Literal["ref_updated"] = "ref_updated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """A source whose `announced` ref is not proposed any more: `committed` stands in the branch, None where
    the source is gone or has no ref there."""

    index: int
    kind: str
    url: str | None
    announced: Ref
    committed: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Entry):
    """What was announced of `element` was settled in the branch, as it was loaded at the commit
    `revision` (None: a checkout that is read as it is)."""

    sources: tuple[Settlement, ...]
    revision: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefLanded(Settled):
    """The announced refs stand in the branch."""

    type: Literal["ref_landed"] = "ref_landed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefSuperseded(Settled):
    """Others stand there, as a person chose: the announced ones are withdrawn, and are not announced
    again before tracking finds others still."""

    type: Literal["ref_superseded"] = "ref_superseded"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Entry):
    """History that `element` follows was rewritten or removed upstream; a person should look.

    `before` and `after` are object names, None where there is none or it is not known. `followed`
    says whether the element goes along, as the project's policy has it.
    """

    kind: AlarmKind
    repository: str
    ref: str | None
    before: str | None
    after: str | None
    followed: bool
    type: Literal["alarm_raised"] = "alarm_raised"


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochBegan:
    """A coordinator took the project over. Whatever another epoch published after this mark is void:
    it comes from a coordinator that does not know yet that it was replaced."""

    project: str
    epoch: int
    type: Literal["epoch_began"] = "epoch_began"


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseChanged:
    """An operator paused the project, or resumed it: `since` is None. It has no number, and is for the
    coordinator that takes over without the disk. `at` (Unix seconds) grows from change to change;
    `since`, `reason` and `by` are as in `questions.Paused`.
    """

    project: str
    epoch: int
    at: float
    since: float | None = None
    reason: str = ""
    by: str = ""
    type: Literal["pause_changed"] = "pause_changed"


LogEntry = RefUpdated | AlarmRaised | RefLanded | RefSuperseded
Record = LogEntry | EpochBegan | PauseChanged

"""What the calls return, as frozen values, and how the contract's messages become them. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

from hookfetch.core.entries import AlarmKind
from hookfetch.core.jobs import Change
from hookfetch.core.moves import SourceMove, Upgrade, ValueChange
from hookfetch.core.sources import Ref
from hookfetch.v1 import refs_pb2

_OUTCOMES: dict[int, Literal["landed", "superseded"]] = {
    refs_pb2.Settlement.OUTCOME_LANDED: "landed",
    refs_pb2.Settlement.OUTCOME_SUPERSEDED: "superseded",
}
_KINDS: dict[int, AlarmKind] = {
    refs_pb2.Alarm.KIND_BRANCH_REWOUND: "branch_rewound",
    refs_pb2.Alarm.KIND_BRANCH_DELETED: "branch_deleted",
    refs_pb2.Alarm.KIND_TAG_MOVED: "tag_moved",
    refs_pb2.Alarm.KIND_TAG_DELETED: "tag_deleted",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RefUpdate:
    """Sources of an element moved and are in the source cache (`cached` is false only where
    the project has none). `upgrade` says of a newer version which it is.

    `announced_at` is in Unix seconds. `cursor` is the place just after it; in a listing it is
    empty, since the listing has one for all.
    """

    project: str
    element: str
    changes: tuple[Change, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    causes: tuple[str, ...]
    announced_at: float
    cursor: str
    upgrade: Upgrade | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """History that an element follows was rewritten or removed upstream; a person should look.

    `kind` is `unknown` for one that this client is too old for. `followed` says whether the
    element goes along; if not, `track` on it lets it. `announced_at` and `cursor` are as in an update.
    """

    project: str
    element: str
    kind: AlarmKind | Literal["unknown"]
    repository: str
    ref: str | None
    before: str | None
    after: str | None
    followed: bool
    causes: tuple[str, ...]
    announced_at: float
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledSource:
    """A source whose `announced` ref is proposed no more; `committed` stands in the branch, None where the
    source is gone or has no ref there."""

    index: int
    kind: str
    url: str | None
    announced: Ref
    committed: Ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """Announced refs `landed` in the branch as of the commit `revision`, or were `superseded` by others
    there; `announced_at` in Unix seconds. `cursor` as in `RefUpdate`."""

    project: str
    element: str
    outcome: Literal["landed", "superseded", "unknown"]
    sources: tuple[SettledSource, ...]
    revision: str | None
    causes: tuple[str, ...]
    announced_at: float
    cursor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The newest update of each element, by project and element; watch from `cursor` for the rest."""

    updates: tuple[RefUpdate, ...]
    cursor: str


def update_of(message: refs_pb2.RefUpdate) -> RefUpdate:
    """Return the update in `message`."""
    return RefUpdate(
        project=message.project,
        element=message.element,
        changes=changes_of(message.changes),
        cached=message.cached,
        element_key=message.element_key if message.HasField("element_key") else None,
        source_keys=tuple(message.source_keys),
        causes=tuple(message.causes),
        announced_at=message.announced_at.ToMicroseconds() / 1e6,
        cursor=message.cursor,
        upgrade=_upgrade_of(message.upgrade) if message.HasField("upgrade") else None,
    )


def alarm_of(message: refs_pb2.Alarm) -> Alarm:
    """Return the alarm in `message`."""
    return Alarm(
        project=message.project,
        element=message.element,
        kind=_KINDS.get(message.kind, "unknown"),
        repository=message.repository,
        ref=message.ref if message.HasField("ref") else None,
        before=message.before if message.HasField("before") else None,
        after=message.after if message.HasField("after") else None,
        followed=message.followed,
        causes=tuple(message.causes),
        announced_at=message.announced_at.ToMicroseconds() / 1e6,
        cursor=message.cursor,
    )


def settlement_of(message: refs_pb2.Settlement) -> Settlement:
    """Return the settlement in `message`."""
    return Settlement(
        project=message.project,
        element=message.element,
        outcome=_OUTCOMES.get(message.outcome, "unknown"),
        sources=tuple(
            SettledSource(
                index=source.index,
                kind=source.kind,
                url=source.url if source.HasField("url") else None,
                announced=ref_of(source.announced),
                committed=ref_of(source.committed),
            )
            for source in message.sources
        ),
        revision=message.revision if message.HasField("revision") else None,
        causes=tuple(message.causes),
        announced_at=message.announced_at.ToMicroseconds() / 1e6,
        cursor=message.cursor,
    )


def changes_of(messages: Iterable[refs_pb2.Change]) -> tuple[Change, ...]:
    """Return the changes in `messages`."""
    return tuple(
        Change(
            index=message.index,
            kind=message.kind,
            url=message.url if message.HasField("url") else None,
            base=ref_of(message.base),
            previous=ref_of(message.previous),
            ref=ref_of(message.ref),
            base_url=message.base_url if message.HasField("base_url") else None,
            moved=_move_of(message.move) if message.HasField("move") else None,
        )
        for message in messages
    )


def _move_of(message: refs_pb2.Move) -> SourceMove:
    keys, variables = (
        tuple(ValueChange(key=each.key, before=each.before, after=each.after) for each in values)
        for values in (message.keys, message.variables)
    )
    return SourceMove(old=message.old_version, new=message.new_version, keys=keys, variables=variables)


def _upgrade_of(message: refs_pb2.Upgrade) -> Upgrade:
    return Upgrade(
        old=message.old_version,
        new=message.new_version,
        feed=message.feed,
        tag=message.tag if message.HasField("tag") else None,
        page=message.page if message.HasField("page") else None,
    )


def ref_of(message: refs_pb2.Ref) -> Ref:
    """Return the ref in `message`, None where none is set."""
    match message.WhichOneof("value"):
        case "text":
            return message.text
        case "json":
            return cast("Ref", json.loads(message.json))
        case _:
            return None

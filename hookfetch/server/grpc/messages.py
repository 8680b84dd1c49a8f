"""Values of the core as messages of the contract. Pure: nothing is decided here."""

import json
from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from hookfetch.core.entries import (
    AlarmKind,
    AlarmRaised,
    Entry,
    LogEntry,
    RefLanded,
    RefSuperseded,
    RefUpdated,
)
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Change
from hookfetch.core.moves import SourceMove, Upgrade
from hookfetch.core.sources import Ref
from hookfetch.v1 import refs_pb2, sources_pb2

# The length-delimited field of WatchResponse for each type of entry.
_TAGS = {"ref_updated": b"\x0a", "alarm_raised": b"\x1a", "ref_landed": b"\x22", "ref_superseded": b"\x22"}
_CURSOR_TAG = b"\x4a"  # `cursor` of each of them: field 9, length-delimited
_KINDS: dict[AlarmKind, refs_pb2.Alarm.Kind.ValueType] = {
    "branch_rewound": refs_pb2.Alarm.KIND_BRANCH_REWOUND,
    "branch_deleted": refs_pb2.Alarm.KIND_BRANCH_DELETED,
    "tag_moved": refs_pb2.Alarm.KIND_TAG_MOVED,
    "tag_deleted": refs_pb2.Alarm.KIND_TAG_DELETED,
}


def ref_message(ref: Ref) -> refs_pb2.Ref | None:
    """Return a source's ref, None where it has none."""
    if ref is None:
        return None
    if isinstance(ref, str):
        return refs_pb2.Ref(text=ref)
    return refs_pb2.Ref(json=json.dumps(ref, ensure_ascii=False, separators=(",", ":")))


def change_messages(changes: Iterable[Change]) -> list[refs_pb2.Change]:
    """Return the changes of an element's sources."""
    return [
        refs_pb2.Change(
            index=change.index,
            kind=change.kind,
            url=change.url,
            base=ref_message(change.base),
            previous=ref_message(change.previous),
            ref=ref_message(change.ref),
            base_url=change.base_url,
            move=None if change.moved is None else _move_message(change.moved),
        )
        for change in changes
    ]


def _move_message(moved: SourceMove) -> refs_pb2.Move:
    keys, variables = (
        [refs_pb2.Move.Value(key=each.key, before=each.before, after=each.after) for each in values]
        for values in (moved.keys, moved.variables)
    )
    return refs_pb2.Move(old_version=moved.old, new_version=moved.new, keys=keys, variables=variables)


def _upgrade_message(upgrade: Upgrade) -> refs_pb2.Upgrade:
    return refs_pb2.Upgrade(
        old_version=upgrade.old,
        new_version=upgrade.new,
        feed=upgrade.feed,
        tag=upgrade.tag,
        page=upgrade.page,
    )


def source_messages(refs: Iterable[SourceRef]) -> list[sources_pb2.SourceRef]:
    """Return the refs of an element's sources."""
    return [
        sources_pb2.SourceRef(index=ref.index, kind=ref.kind, url=ref.url, ref=ref_message(ref.ref))
        for ref in refs
    ]


def update_message(entry: RefUpdated) -> refs_pb2.RefUpdate:
    """Return a log entry without a cursor, which is each watcher's own."""
    return refs_pb2.RefUpdate(
        project=entry.project,
        element=entry.element,
        changes=change_messages(entry.changes),
        cached=entry.cached,
        element_key=entry.element_key,
        source_keys=entry.source_keys,
        causes=entry.causes,
        announced_at=_announced_at(entry),
        upgrade=None if entry.upgrade is None else _upgrade_message(entry.upgrade),
    )


def alarm_message(entry: AlarmRaised) -> refs_pb2.Alarm:
    """Return an alarm without a cursor, which is each watcher's own."""
    return refs_pb2.Alarm(
        project=entry.project,
        element=entry.element,
        kind=_KINDS[entry.kind],
        repository=entry.repository,
        ref=entry.ref,
        before=entry.before,
        after=entry.after,
        followed=entry.followed,
        causes=entry.causes,
        announced_at=_announced_at(entry),
    )


def settlement_message(entry: RefLanded | RefSuperseded) -> refs_pb2.Settlement:
    """Return what was settled, without a cursor, which is each watcher's own."""
    landed = isinstance(entry, RefLanded)
    return refs_pb2.Settlement(
        project=entry.project,
        element=entry.element,
        outcome=refs_pb2.Settlement.OUTCOME_LANDED if landed else refs_pb2.Settlement.OUTCOME_SUPERSEDED,
        sources=[
            refs_pb2.Settlement.Source(
                index=source.index,
                kind=source.kind,
                url=source.url,
                announced=ref_message(source.announced),
                committed=ref_message(source.committed),
            )
            for source in entry.sources
        ],
        revision=entry.revision,
        causes=entry.causes,
        announced_at=_announced_at(entry),
    )


def entry_wire(entry: LogEntry) -> bytes:
    """Return an entry's serialised message without a cursor."""
    if isinstance(entry, RefUpdated):
        return update_message(entry).SerializeToString()
    if isinstance(entry, AlarmRaised):
        return alarm_message(entry).SerializeToString()
    return settlement_message(entry).SerializeToString()


def listed_wire(before: bytes | None, entry: RefUpdated | RefSuperseded, wire: bytes) -> bytes | None:
    """Return the message that a listing has of an element: its newest update, with the newest change of each
    source, earlier updates' too, but for those that were superseded; None when none is left.

    `before` is what it had, `wire` the entry's own message.
    """
    message = refs_pb2.RefUpdate.FromString(before or b"")
    if isinstance(entry, RefUpdated):
        gone = {change.index for change in entry.changes}
    else:
        gone = {source.index for source in entry.sources}
    left = [change for change in message.changes if change.index not in gone]
    if isinstance(entry, RefUpdated):
        if not left:
            return wire
        message = refs_pb2.RefUpdate.FromString(wire)
        left = sorted([*left, *message.changes], key=lambda change: change.index)
    if not left:
        return None
    del message.changes[:]
    message.changes.extend(left)
    return message.SerializeToString()


def _announced_at(entry: Entry) -> Timestamp:
    announced_at = Timestamp()
    announced_at.FromMicroseconds(round(entry.announced_at * 1e6))
    return announced_at


def watch_response(wire: bytes, cursor: str, kind: str = "ref_updated") -> bytes:
    """Return a serialised WatchResponse from the serialised message of an entry of type `kind`, without
    its cursor.

    Of a thousand watchers' responses all but the cursor is the same bytes, so they are made
    once (https://protobuf.dev/programming-guides/encoding/).
    """
    text = cursor.encode()
    body = wire + _CURSOR_TAG + _varint(len(text)) + text if text else wire
    return _TAGS[kind] + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

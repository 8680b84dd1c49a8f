"""Values of the core as messages of the contract. Pure: nothing is decided here."""

import json
from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from hookfetch.core.entries import AlarmKind, AlarmRaised, Entry, LogEntry, RefUpdated
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Change
from hookfetch.core.sources import Ref
from hookfetch.v1 import refs_pb2, sources_pb2

_UPDATE_TAG = b"\x0a"  # WatchResponse.update: field 1, length-delimited
_ALARM_TAG = b"\x1a"  # WatchResponse.alarm: field 3, length-delimited
_CURSOR_TAG = b"\x4a"  # RefUpdate.cursor and Alarm.cursor: field 9, length-delimited
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
        )
        for change in changes
    ]


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


def entry_wire(entry: LogEntry) -> bytes:
    """Return an entry's serialised message without a cursor."""
    message = update_message(entry) if isinstance(entry, RefUpdated) else alarm_message(entry)
    return message.SerializeToString()


def _announced_at(entry: Entry) -> Timestamp:
    announced_at = Timestamp()
    announced_at.FromMicroseconds(round(entry.announced_at * 1e6))
    return announced_at


def watch_response(wire: bytes, cursor: str, *, alarm: bool = False) -> bytes:
    """Return a serialised WatchResponse from a serialised RefUpdate, or Alarm, without its cursor.

    Of a thousand watchers' responses all but the cursor is the same bytes, so they are made
    once (https://protobuf.dev/programming-guides/encoding/).
    """
    text = cursor.encode()
    body = wire + _CURSOR_TAG + _varint(len(text)) + text if text else wire
    return (_ALARM_TAG if alarm else _UPDATE_TAG) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

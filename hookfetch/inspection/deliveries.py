"""What hookfetch makes of stored deliveries: `hookfetch inspect delivery`.

For the operator who asks why a delivery was refused, or what it would cause. It reads the
files that the operator names, sends nothing, and stores nothing. A line that cannot be
judged becomes a rejected line with a reason, so that the others are still judged.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import ConfigurationError, Rejected, RejectionCode
from hookfetch.core.events import (
    BranchDeleted,
    BranchPushed,
    Pinged,
    ReleasePublished,
    RepositoryMoved,
    TagDeleted,
    TagPushed,
    UpstreamFact,
)
from hookfetch.core.ports import Forge, ForgeFactory, HookOptions
from hookfetch.forges import configured_forge

MAX_BODY = 32 * 1024 * 1024  # bytes; GitHub, whose deliveries are the largest, stops at 25 MB

_END_OF_TIME = 1e15
_SECONDS = re.compile(r"[0-9]{1,15}")
# What also comes over a bus or an ssh stream, where nothing is signed, and is saved from there.
_UNSIGNED = frozenset({"anitya", "gerrit", "pagure"})
_PROOF = re.compile(r"authorization|signature|token|secret")
_UNPROVED = "nothing in it proves who sent it: at a hook this is refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A line as read: a delivery, who sent it, and what would have signed it."""

    forge: Forge
    secrets: tuple[str, ...]
    delivery: Delivery
    unproved: bool


def inspect_deliveries(lines: Iterable[str], forges: Mapping[str, ForgeFactory]) -> Iterator[str]:
    """Yield one JSON line for each of `lines`, in order, without its line feed.

    In: `id`, `forge`, `secret` (a text or a list of them), `headers`, `body_file` (relative to the
    working directory) or `body_base64`, and optionally `now` in Unix seconds; without it the
    delivery counts as judged at the time in its own headers; and the hook's options `base_url`,
    `sha1` and `header`. What a forge's bus would have brought, with nothing that could prove its
    sender, is read as if from there, and the answer's `reason` says so. Out: `id`, `outcome` (`event`,
    `ack`: authentic, but nothing follows, or `rejected`), `code` and `reason` of a rejection, and
    `events`.
    """
    for line in lines:
        request: Mapping[str, object] = {}
        try:
            request = _object(line)
            case = _case(request, forges)
            facts = _facts(case)
        except Rejected as error:
            yield _answer(request, "rejected", [], error.code, error.reason)
        else:
            events = [_event(fact) for fact in facts if not isinstance(fact, Pinged)]
            note = _UNPROVED if case.unproved else None
            yield _answer(request, "event" if events else "ack", events, reason=note)


def _answer(
    request: Mapping[str, object],
    outcome: str,
    events: list[dict[str, object]],
    code: RejectionCode | None = None,
    reason: str | None = None,
) -> str:
    name = request.get("id")
    return json.dumps(
        {
            "id": name if isinstance(name, str | int) else None,
            "outcome": outcome,
            "code": code,
            "reason": reason,
            "events": events,
        }
    )


def _facts(case: _Case) -> list[UpstreamFact]:
    delivery = case.delivery
    if not case.unproved:
        case.forge.verify(delivery.headers, delivery.body, case.secrets, delivery.received_at)
    return case.forge.parse(delivery)


def _object(line: str) -> Mapping[str, object]:
    try:
        request = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Rejected("forge", "the line is not JSON") from error
    if not isinstance(request, dict):
        raise Rejected("forge", "the line is not a JSON object")
    return request


def _case(request: Mapping[str, object], forges: Mapping[str, ForgeFactory]) -> _Case:
    name = request.get("forge")
    factory = forges.get(name) if isinstance(name, str) else None
    if factory is None:
        raise Rejected("forge", f"there is no such forge; there are {', '.join(sorted(forges))}")
    options = _options(request)
    forge = _forge(factory, options)
    headers = _headers(request.get("headers"))
    body = _body(request)
    delivery = Delivery(
        id=f"inspect/{forge.delivery_id(headers, body) or request.get('id')}",
        hook="inspect",
        headers=headers,
        body=body,
        received_at=_now(request, headers),
    )
    return _Case(
        forge=forge,
        secrets=_secrets(request.get("secret")),
        delivery=delivery,
        unproved=name in _UNSIGNED and options.header is None and not any(map(_PROOF.search, headers)),
    )


def _options(request: Mapping[str, object]) -> HookOptions:
    base_url, sha1, header = (request.get(key) for key in ("base_url", "sha1", "header"))
    if not isinstance(base_url, str | None) or not isinstance(header, str | None):
        raise Rejected("forge", "base_url and header are texts")
    if not isinstance(sha1, bool | None):
        raise Rejected("forge", "sha1 is true or false")
    return HookOptions(
        base_url=base_url.rstrip("/") if base_url else None,
        sha1=sha1 or False,
        header=header.lower() if header else None,
    )


def _forge(factory: ForgeFactory, options: HookOptions) -> Forge:
    if options == HookOptions():
        return factory(options)  # a hook may need more: without it facts name no repository
    try:
        return configured_forge(factory, options)
    except ConfigurationError as error:
        raise Rejected("forge", str(error)) from error


def _headers(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise Rejected("forge", "headers is not an object of texts")
    return {name.lower(): item for name, item in value.items()}


def _secrets(value: object) -> tuple[str, ...]:
    # Without a secret nothing is authentic, which is the forge's to say.
    secrets = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(secret, str) for secret in secrets):
        raise Rejected("forge", "secret is neither a text nor a list of texts")
    return tuple(secrets)


def _now(request: Mapping[str, object], headers: Mapping[str, str]) -> float:
    now = request.get("now")
    if now is None:
        now = _sent_at(headers)
    # Written so that not-a-number is refused; a boolean is an int to Python, and no time.
    if isinstance(now, bool) or not isinstance(now, int | float) or not abs(now) < _END_OF_TIME:
        raise Rejected("forge", "now is not a Unix time")
    return float(now)


def _sent_at(headers: Mapping[str, str]) -> float:
    """Return the time in a delivery's headers, in Unix seconds; 0 where there is none, which only
    a forge that demands one minds."""
    for name, units in (("webhook-timestamp", 1), ("x-gitee-timestamp", 1000)):
        sent_at = headers.get(name, "")
        if _SECONDS.fullmatch(sent_at):
            return int(sent_at) / units
    return 0.0


def _body(request: Mapping[str, object]) -> bytes:
    match request:
        case {"body_base64": str(encoded)}:
            try:
                return base64.b64decode(encoded, validate=True)
            except (binascii.Error, ValueError) as error:
                raise Rejected("body", "body_base64 is not base64") from error
        case {"body_file": str(name)}:
            return _file(name)
        case _:
            raise Rejected("body", "there is neither body_file nor body_base64")


def _file(name: str) -> bytes:
    path = Path(name)
    try:
        if not path.is_file():  # a pipe or device could be read for ever
            raise Rejected("body", "body_file is not a file")
        with path.open("rb") as file:
            body = file.read(MAX_BODY + 1)
    except (OSError, ValueError) as error:
        raise Rejected("body", f"body_file cannot be read: {error}") from error
    if len(body) > MAX_BODY:
        raise Rejected("body", f"body_file has more than {MAX_BODY} bytes")
    return body


def _event(fact: UpstreamFact) -> dict[str, object]:
    """Return a fact as the line shows it; every key is there, null where the fact has no such value."""
    event: dict[str, object] = {
        "type": fact.type,
        "id": fact.id,
        "repositories": fact.repositories,
        "repo_urls": fact.urls,
        "ref": None,
        "ref_type": None,
        "before": None,
        "after": None,
        "target_commit": None,
        "forced": None,
        "release_tag": None,
        "version": None,
        "prerelease": None,
        "draft": None,
        "action": None,
        "sender": fact.sender,
    }
    match fact:
        case BranchPushed() | TagPushed():
            event |= _ref(fact) | {"target_commit": fact.target, "forced": fact.forced}
        case BranchDeleted() | TagDeleted():
            event |= _ref(fact)
        case ReleasePublished():
            event |= {
                "release_tag": fact.tag,
                "version": fact.version,
                "prerelease": fact.prerelease,
                "draft": fact.draft,
                "action": fact.action,
            }
        case RepositoryMoved():
            event["action"] = fact.action
    return event


def _ref(fact: BranchPushed | TagPushed | BranchDeleted | TagDeleted) -> dict[str, object]:
    ref_type = "branch" if isinstance(fact, BranchPushed | BranchDeleted) else "tag"
    return {"ref": fact.ref, "ref_type": ref_type, "before": fact.before, "after": fact.after}

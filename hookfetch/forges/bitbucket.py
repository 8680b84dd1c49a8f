"""Bitbucket Cloud webhooks. Pure.

`X-Hub-Signature` is HMAC-SHA256 here (at GitHub that name is SHA-1's). One push may change
several refs; a new one has no `old`, a deleted one no `new`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import event_name, sent_delivery_id
from hookfetch.forges.facts import Provenance, RefChange, full_ref, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    flag,
    has,
    load_object,
    missing,
    object_name,
    required_section,
    required_text,
    section,
    sections,
    text,
    texts,
)
from hookfetch.forges.signatures import require_hex_hmac

_SITE = "https://bitbucket.org"


class Bitbucket:
    """The `bitbucket` forge."""

    HEEDS: frozenset[str] = frozenset()

    def __init__(self, _: HookOptions) -> None:
        """Say nothing more: no option means anything here."""

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; Bitbucket signs no time
    ) -> None:
        """Return if any of `secrets` signed `body` with HMAC-SHA256; Rejected otherwise."""
        require_hex_hmac(headers, "x-hub-signature", body, secrets, prefix="sha256=")

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return Bitbucket's id of the delivery, which its retries keep."""
        return sent_delivery_id(headers, "x-request-uuid")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery, one for each ref; none for events that move none."""
        name = event_name(delivery.headers, "x-event-key")
        payload = load_object(delivery.body)
        read = _READERS.get(name)
        return read(payload, delivery) if read else []


def _of_repository(payload: Fields, delivery: Delivery, other_names: Sequence[str] = ()) -> Provenance:
    repository = required_section(payload, "repository")
    urls = texts(section(section(repository, "links"), "html"), ("href",))
    named = [f"{_SITE}/{name}" for name in texts(repository, ("full_name",))]
    actor = section(payload, "actor")
    sender = text(actor, "username") or text(actor, "nickname") or text(actor, "display_name")
    provenance = provenance_of(delivery, urls, sender, (*named, *other_names))
    if not provenance.repositories:
        raise missing("repository.full_name")
    return provenance


def _push(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    provenance = _of_repository(payload, delivery)
    facts: list[UpstreamFact] = []
    for ordinal, change in enumerate(sections(required_section(payload, "push"), "changes")):
        fact = _fact(change, provenance, ordinal)
        if fact is not None:
            facts.append(fact)
    return facts


def _fact(change: Fields, provenance: Provenance, ordinal: int) -> UpstreamFact | None:
    old, new = section(change, "old"), section(change, "new")
    named = new if has(new, "name") else old
    match required_text(named, "type"):
        case "branch" | "tag" as ref_type:
            after = object_name(section(new, "target"), "hash")
            if named is new and after is None:
                raise missing("new.target.hash")
            described = RefChange(
                ref=full_ref(required_text(named, "name"), ref_type),
                deleted=named is not new,
                before=object_name(section(old, "target"), "hash"),
                after=after,
                forced=flag(change, "forced"),
            )
            return ref_fact(described, provenance.fields(ordinal))
        case _:
            return None


def _moved(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    names = list(_renamed(section(payload, "changes")))
    return [RepositoryMoved(**_of_repository(payload, delivery, names).fields())]


def _renamed(changes: Fields) -> Iterator[str]:
    for name in texts(section(changes, "full_name"), ("new", "old")):
        yield f"{_SITE}/{name}"


_READERS: Mapping[str, Callable[[Fields, Delivery], list[UpstreamFact]]] = {
    "repo:deleted": _moved,
    "repo:push": _push,
    "repo:transfer": _moved,
    "repo:updated": _moved,
}

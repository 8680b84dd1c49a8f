"""sourcehut webhooks: git.sr.ht's GraphQL ones (GIT_POST_RECEIVE), and its legacy ones. Pure.

The secret is the service's public key, in base64: sourcehut signs with Ed25519, and has no
secret for each hook. So a good signature says that the service sent the delivery, not to
whom; a nonce is not remembered, since a repeat is a look at the upstream and nothing more.

A GraphQL delivery holds what the hook's query asks for; docs/forges.md has one. A legacy one
names no repository: then `base_url` is the repository's own URL.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import sent_delivery_id
from hookfetch.forges.facts import Provenance, RefChange, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    has,
    load_object,
    missing,
    object_name,
    required_section,
    required_text,
    section,
    sections,
    text,
)
from hookfetch.forges.signatures import require_ed25519

_SERVICE = "https://git.sr.ht"


class Sourcehut:
    """The `sourcehut` forge."""

    HEEDS = frozenset({"base_url"})

    def __init__(self, options: HookOptions) -> None:
        self._base = options.base_url

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; sourcehut signs no time
    ) -> None:
        """Return if any of `secrets`, public keys, signed `body` and the nonce; Rejected otherwise."""
        require_ed25519(headers, "x-payload-signature", "x-payload-nonce", body, secrets)

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return sourcehut's id of the delivery."""
        return sent_delivery_id(headers, "x-webhook-delivery")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery, one for each ref; none for events that move none."""
        payload = load_object(delivery.body)
        if has(payload, "data"):
            webhook = required_section(section(payload, "data"), "webhook")
            if text(webhook, "event") not in (None, "GIT_POST_RECEIVE"):
                return []
            provenance = self._of_repository(webhook, delivery)
            updates, name = list(sections(webhook, "updates")), _named_by_ref
        elif has(payload, "refs"):
            sender = text(section(payload, "pusher"), "canonical_name")
            provenance = provenance_of(delivery, (), sender, [self._base] if self._base else [])
            updates, name = list(sections(payload, "refs")), _named
        else:
            return []
        facts = (_fact(update, name(update), provenance, number) for number, update in enumerate(updates))
        return [fact for fact in facts if fact is not None]

    def _of_repository(self, webhook: Fields, delivery: Delivery) -> Provenance:
        repository = required_section(webhook, "repository")
        owner = required_text(section(repository, "owner"), "canonicalName")
        url = f"{_instance(self._base)}/{owner}/{required_text(repository, 'name')}"
        return provenance_of(delivery, (url,), text(section(webhook, "pusher"), "canonicalName"))


def _instance(base_url: str | None) -> str:
    parts = urlsplit(base_url or _SERVICE)
    return f"{parts.scheme}://{parts.netloc}"


def _named_by_ref(update: Fields) -> str:
    return required_text(section(update, "ref"), "name")


def _named(update: Fields) -> str:
    return required_text(update, "name")


def _fact(update: Fields, ref: str, provenance: Provenance, ordinal: int) -> UpstreamFact | None:
    before = object_name(section(update, "old"), "id")
    after = object_name(section(update, "new"), "id")
    if before is None and after is None:
        raise missing("new.id")
    change = RefChange(ref=ref, deleted=after is None, before=before, after=after)
    return ref_fact(change, provenance.fields(ordinal))

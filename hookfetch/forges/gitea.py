"""Gitea webhooks in JSON mode. Pure. Forgejo's and Gogs' differ by the names of their headers only.

Form mode is not served: there Gitea signs the JSON inside the form instead of the bytes that
it sends, so nothing could be verified before it is taken apart. Such a delivery is refused
for its signature. A replay from Gitea's page has a new delivery id.
"""

from collections.abc import Callable, Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import Pinged, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import event_name, sent_delivery_id
from hookfetch.forges.facts import (
    Provenance,
    RefChange,
    full_ref,
    is_null,
    provenance_of,
    ref_fact,
    release_fact,
)
from hookfetch.forges.payload import (
    Fields,
    load_object,
    missing,
    object_name,
    required_object_name,
    required_section,
    required_text,
    section,
    text,
    texts,
)
from hookfetch.forges.signatures import require_hex_hmac

# `original_url` is where a repository was imported from: another repository.
_URLS = ("html_url", "clone_url", "ssh_url")


class Gitea:
    """The `gitea` forge; BRAND is the word in its headers (`X-<brand>-Signature`)."""

    HEEDS: frozenset[str] = frozenset()
    BRAND = "gitea"

    def __init__(self, _: HookOptions) -> None:
        self._signature = f"x-{self.BRAND}-signature"
        self._delivery = f"x-{self.BRAND}-delivery"
        self._event = f"x-{self.BRAND}-event"

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; Gitea signs no time
    ) -> None:
        """Return if any of `secrets` signed `body` with HMAC-SHA256; Rejected otherwise."""
        require_hex_hmac(headers, self._signature, body, secrets)

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return the forge's id of the delivery."""
        return sent_delivery_id(headers, self._delivery)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for events that move no ref and no release."""
        name = event_name(delivery.headers, self._event)
        payload = load_object(delivery.body)
        read = _READERS.get(name)
        return read(payload, delivery) if read else []


def _of_repository(payload: Fields, delivery: Delivery) -> Provenance:
    urls = texts(required_section(payload, "repository"), _URLS)
    sender = _login(section(payload, "sender")) or _login(section(payload, "pusher"))
    provenance = provenance_of(delivery, urls, sender)
    if not provenance.repositories:
        raise missing("repository.html_url")
    return provenance


def _login(user: Fields) -> str | None:
    return text(user, "login") or text(user, "username")


def _push(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    before = object_name(payload, "before")
    after = required_object_name(payload, "after")
    change = RefChange(
        ref=required_text(payload, "ref"),
        deleted=is_null(after),
        before=before,
        after=after,
        target=object_name(section(payload, "head_commit"), "id"),
    )
    fields = _of_repository(payload, delivery).fields()
    if before == after:  # the page's test button sends a push that pushes nothing
        return [Pinged(**fields)]
    fact = ref_fact(change, fields)
    return [fact] if fact else []


def _created(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return _named_ref(payload, delivery, deleted=False, after=object_name(payload, "sha"))


def _deleted(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return _named_ref(payload, delivery, deleted=True)


def _named_ref(
    payload: Fields, delivery: Delivery, *, deleted: bool, after: str | None = None
) -> list[UpstreamFact]:
    match required_text(payload, "ref_type"):
        case "branch" | "tag" as ref_type:
            ref = full_ref(required_text(payload, "ref"), ref_type)
        case _:
            raise Rejected("forge", "the payload's 'ref_type' is neither branch nor tag")
    fact = ref_fact(
        RefChange(ref=ref, deleted=deleted, after=after), _of_repository(payload, delivery).fields()
    )
    return [fact] if fact else []


def _release(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return [release_fact(payload, _of_repository(payload, delivery).fields())]


def _repository(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return [RepositoryMoved(**_of_repository(payload, delivery).fields(), action=text(payload, "action"))]


_READERS: Mapping[str, Callable[[Fields, Delivery], list[UpstreamFact]]] = {
    "create": _created,
    "delete": _deleted,
    "push": _push,
    "release": _release,
    "repository": _repository,
}

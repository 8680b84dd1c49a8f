"""Any sender of Standard Webhooks 1.0.0, with a small form of its own. Pure.

    {"type": "ref.updated", "timestamp": "…", "data": {"repository": "https://…", "ref": "refs/heads/main",
     "before": "<name>", "after": "<name>", "forced": false}}

`after` null or all zeros says that the ref is gone. `release.published` has `tag` and, if it is
not the tag's, `version`; `repository.moved` may have `old`, a URL; `ping` has nothing. Other
types are accepted, and nothing follows.
"""

from collections.abc import Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import Pinged, ReleasePublished, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.core.versions import version_of
from hookfetch.forges.delivery_headers import sent_delivery_id
from hookfetch.forges.facts import FactFields, RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    flag,
    load_object,
    missing,
    object_name,
    required_section,
    required_text,
    section,
    text,
    texts,
)
from hookfetch.forges.signatures import require_standard_webhook

_TYPES = frozenset({"ref.updated", "release.published", "repository.moved"})


class StandardWebhooks:
    """The `standard_webhooks` forge. A configured secret is `whsec_…` (shared) or `whpk_…` (a public key)."""

    HEEDS: frozenset[str] = frozenset()

    def __init__(self, _: HookOptions) -> None:
        """Say nothing more: no option means anything here."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        """Return if any of `secrets` signed the delivery within 5 minutes of `now` (Unix seconds)."""
        require_standard_webhook(headers, body, secrets, now)

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return the message's id, which a retry keeps."""
        return sent_delivery_id(headers, "webhook-id")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for other types."""
        payload = load_object(delivery.body)
        kind = required_text(payload, "type")
        if kind == "ping":
            return [Pinged(**provenance_of(delivery, (), None).fields())]
        if kind not in _TYPES:
            return []
        data = required_section(payload, "data")
        urls, former = texts(data, ("repository",)), texts(data, ("old",))
        provenance = provenance_of(delivery, urls, text(data, "sender"), former)
        if not provenance.repositories:
            raise missing("data.repository")
        fact = _fact(kind, data, provenance.fields())
        return [fact] if fact else []


def _fact(kind: str, data: Fields, fields: FactFields) -> UpstreamFact | None:
    if kind == "repository.moved":
        return RepositoryMoved(**fields, action=text(data, "action"))
    if kind == "release.published":
        tag = required_text(data, "tag")
        return ReleasePublished(
            **fields,
            tag=tag,
            version=text(data, "version") or version_of(tag),
            action=text(data, "action"),
            prerelease=flag(data, "prerelease"),
            draft=flag(data, "draft"),
        )
    after = object_name(data, "after")
    change = RefChange(
        ref=required_text(data, "ref"),
        deleted=after is None or is_null(after),
        before=object_name(data, "before"),
        after=after,
        target=object_name(section(data, "commit"), "id"),
        forced=flag(data, "forced"),
    )
    return ref_fact(change, fields)

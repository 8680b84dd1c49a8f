"""Bitbucket Server and Data Center webhooks. Pure.

Older releases' payloads carry no URL: then `base_url` (`https://bitbucket.example.org`) and the
project's key and repository's slug make the names. The test connection is not signed even where
a secret is set; it is believed if it is nothing but that.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import quote

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import Pinged, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import sent_delivery_id
from hookfetch.forges.facts import Provenance, RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    has,
    load_object,
    object_name,
    required_object_name,
    required_section,
    required_text,
    section,
    sections,
    text,
)
from hookfetch.forges.signatures import require_hex_hmac

_PING = b'{"test":true}'
_SHORT = 64  # bytes; a longer body is not the test connection's
_PUSHES = frozenset({"repo:refs_changed", "mirror:repo_synchronized"})


class BitbucketServer:
    """The `bitbucket_server` forge."""

    HEEDS = frozenset({"base_url"})

    def __init__(self, options: HookOptions) -> None:
        self._base = options.base_url

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; Bitbucket signs no time
    ) -> None:
        """Return if any of `secrets` signed `body` with HMAC-SHA256, or if it is the unsigned test
        connection, which says nothing; Rejected otherwise."""
        if "x-hub-signature" in headers or not _is_ping(body):
            require_hex_hmac(headers, "x-hub-signature", body, secrets, prefix="sha256=")

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return Bitbucket's id of the delivery."""
        return sent_delivery_id(headers, "x-request-id")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery, one for each ref; none for events that move none."""
        payload = load_object(delivery.body)
        if has(payload, "test") and not has(payload, "eventKey"):
            return [Pinged(**provenance_of(delivery, (), None).fields())]
        match required_text(payload, "eventKey"):
            case "repo:modified":
                return [RepositoryMoved(**self._renamed(payload, delivery).fields())]
            case name if name in _PUSHES:
                return self._pushed(payload, delivery)
            case _:
                return []

    def _pushed(self, payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
        repository = required_section(payload, "repository")
        urls = _written_urls(repository)
        provenance = provenance_of(delivery, urls, _actor(payload), self._names(repository))
        facts = (
            _fact(change, provenance, number) for number, change in enumerate(sections(payload, "changes"))
        )
        return [fact for fact in facts if fact is not None]

    def _renamed(self, payload: Fields, delivery: Delivery) -> Provenance:
        present, former = required_section(payload, "new"), section(payload, "old")
        names = [name for each in (present, former) for name in (*_written_urls(each), *self._names(each))]
        return provenance_of(delivery, (), _actor(payload), names)

    def _names(self, repository: Fields) -> list[str]:
        key, slug = text(section(repository, "project"), "key"), text(repository, "slug")
        if self._base is None or key is None or slug is None:
            return []
        path = f"{quote(key)}/{quote(slug)}"
        # By https under /scm, by ssh without; what ssh's port is does not matter to an identity.
        host = self._base.partition("://")[2].partition("/")[0].rpartition("@")[2].partition(":")[0]
        return [f"{self._base}/scm/{path}.git", f"ssh://git@{host}/{path}.git"]


def _is_ping(body: bytes) -> bool:
    return len(body) <= _SHORT and b"".join(body.split()) == _PING


def _written_urls(repository: Fields) -> list[str]:
    links = section(repository, "links")
    clones = [text(link, "href") for link in sections(links, "clone")] if has(links, "clone") else []
    pages = [text(link, "href") for link in sections(links, "self")] if has(links, "self") else []
    return [url for url in (*clones, *pages) if url is not None]


def _actor(payload: Fields) -> str | None:
    return text(section(payload, "actor"), "name")


def _fact(change: Fields, provenance: Provenance, ordinal: int) -> UpstreamFact | None:
    after = required_object_name(change, "toHash")
    described = RefChange(
        ref=text(section(change, "ref"), "id") or required_text(change, "refId"),
        deleted=is_null(after),
        before=object_name(change, "fromHash"),
        after=after,
    )
    return ref_fact(described, provenance.fields(ordinal))

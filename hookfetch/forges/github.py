"""GitHub and GitHub Enterprise Server webhooks, in JSON or form mode. Pure.

Only `X-Hub-Signature-256` is looked at; the SHA-1 header beside it never is. In form mode
GitHub signs the form as sent.
"""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import Pinged, ReleasePublished, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import Forge
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
    flag,
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

_URLS = ("html_url", "clone_url", "ssh_url", "git_url", "svn_url")
_FORM = b"payload="


class GitHub:
    """The `github` forge."""

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; GitHub signs no time
    ) -> None:
        """Return if any of `secrets` signed `body` with HMAC-SHA256; Rejected otherwise."""
        require_hex_hmac(headers, "x-hub-signature-256", body, secrets, prefix="sha256=")

    def delivery_id(self, headers: Mapping[str, str]) -> str | None:
        """Return GitHub's id of the delivery, which a redelivery keeps."""
        return sent_delivery_id(headers, "x-github-delivery")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for events that move no ref and no release."""
        name = event_name(delivery.headers, "x-github-event")
        payload = load_object(_json_of(delivery.body))
        read = _READERS.get(name)
        return read(payload, delivery) if read else []


FORGE: Forge = GitHub()


def _json_of(body: bytes) -> bytes:
    """Return the JSON in a body of either mode. The body tells its mode: no JSON starts so, and
    unlike the content type it is signed."""
    if not body.startswith(_FORM):
        return body
    encoded = body[len(_FORM) :].partition(b"&")[0]
    return unquote_to_bytes(encoded.replace(b"+", b" "))


def _provenance(payload: Fields, delivery: Delivery, *other_names: str) -> Provenance:
    urls = texts(section(payload, "repository"), _URLS)
    sender = text(section(payload, "sender"), "login") or text(section(payload, "pusher"), "name")
    return provenance_of(delivery, urls, sender, other_names)


def _of_repository(payload: Fields, delivery: Delivery, *other_names: str) -> Provenance:
    required_section(payload, "repository")
    provenance = _provenance(payload, delivery, *other_names)
    if not provenance.repositories:
        raise missing("repository.html_url")
    return provenance


def _push(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    after = required_object_name(payload, "after")
    deleted = flag(payload, "deleted") is True or is_null(after)
    change = RefChange(
        ref=required_text(payload, "ref"),
        deleted=deleted,
        before=object_name(payload, "before"),
        after=after,
        target=object_name(section(payload, "head_commit"), "id"),
        forced=flag(payload, "forced"),
    )
    fact = ref_fact(change, _of_repository(payload, delivery).fields())
    return [fact] if fact else []


def _created(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return _named_ref(payload, delivery, deleted=False)


def _deleted(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return _named_ref(payload, delivery, deleted=True)


def _named_ref(payload: Fields, delivery: Delivery, *, deleted: bool) -> list[UpstreamFact]:
    provenance = _of_repository(payload, delivery)
    match required_text(payload, "ref_type"):
        case "branch" | "tag" as ref_type:
            change = RefChange(ref=full_ref(required_text(payload, "ref"), ref_type), deleted=deleted)
            fact = ref_fact(change, provenance.fields())
            return [fact] if fact else []
        case "repository":  # older Enterprise Servers announce a new repository so, with a null ref
            return [RepositoryMoved(**provenance.fields(), action="deleted" if deleted else "created")]
        case _:
            raise Rejected("forge", "the payload's 'ref_type' is neither branch, tag nor repository")


def _release(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return [release_fact(payload, _of_repository(payload, delivery).fields())]


def _package(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    key = "package" if "package" in payload else "registry_package"
    # An image has neither tag nor release in git; its version is a digest.
    published = section(required_section(payload, key), "package_version")
    fact = ReleasePublished(
        **_of_repository(payload, delivery).fields(),
        tag=text(published, "tag_name") or text(section(published, "release"), "tag_name"),
        version=text(published, "version"),
        action=text(payload, "action"),
        prerelease=flag(published, "prerelease"),
        draft=flag(published, "draft"),
    )
    return [fact]


def _repository(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    provenance = _of_repository(payload, delivery, *_former_names(payload))
    return [RepositoryMoved(**provenance.fields(), action=text(payload, "action"))]


def _former_names(payload: Fields) -> list[str]:
    """Return the web URL that a renamed or transferred repository had."""
    changes = section(payload, "changes")
    former = section(section(changes, "owner"), "from")
    owner = text(section(former, "user"), "login") or text(section(former, "organization"), "login")
    name = text(section(section(changes, "repository"), "name"), "from")
    url = text(section(payload, "repository"), "html_url") or ""
    parts = url.rsplit("/", 2)
    if len(parts) < 3 or not (owner or name):
        return []
    host, present_owner, present_name = parts
    return [f"{host}/{owner or present_owner}/{name or present_name}"]


def _public(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return [RepositoryMoved(**_of_repository(payload, delivery).fields(), action="public")]


def _ping(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    return [Pinged(**_provenance(payload, delivery).fields())]  # an organisation's has no repository


_READERS: Mapping[str, Callable[[Fields, Delivery], list[UpstreamFact]]] = {
    "create": _created,
    "delete": _deleted,
    "package": _package,
    "ping": _ping,
    "public": _public,
    "push": _push,
    "registry_package": _package,
    "release": _release,
    "repository": _repository,
}

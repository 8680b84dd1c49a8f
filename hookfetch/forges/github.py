"""GitHub and GitHub Enterprise Server webhooks, in JSON or form mode. Pure.

Only `X-Hub-Signature-256` is looked at, or only the SHA-1 header beside it where the hook is
configured so (old Enterprise Servers). In form mode GitHub signs the form as sent.
"""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import unquote_to_bytes

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import Pinged, ReleasePublished, RepositoryMoved, UpstreamFact
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
    flag,
    has,
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
_PIECE = 4 * 1024


class GitHub:
    """The `github` forge."""

    HEEDS = frozenset({"sha1"})

    def __init__(self, options: HookOptions) -> None:
        self._sha1 = options.sha1

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; GitHub signs no time
    ) -> None:
        """Return if any of `secrets` signed `body`; Rejected otherwise."""
        if self._sha1:
            require_hex_hmac(headers, "x-hub-signature", body, secrets, prefix="sha1=", algorithm="sha1")
        else:
            require_hex_hmac(headers, "x-hub-signature-256", body, secrets, prefix="sha256=")

    def delivery_id(self, headers: Mapping[str, str], _: bytes) -> str | None:
        """Return GitHub's id of the delivery, which a redelivery keeps."""
        return sent_delivery_id(headers, "x-github-delivery")

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for events that move no ref and no release."""
        name = event_name(delivery.headers, "x-github-event")
        payload = load_object(_json_of(delivery.body))
        read = _READERS.get(name)
        return read(payload, delivery) if read else []


def _json_of(body: bytes) -> bytes:
    """Return the JSON in a body of either mode. The body tells its mode: no JSON starts so, and
    unlike the content type it is signed."""
    if not body.startswith(_FORM):
        return body
    end = body.find(b"&")
    end = len(body) if end < 0 else end
    decoded = bytearray()
    start = len(_FORM)
    # In pieces: the decoder takes seventy times the memory of what it decodes.
    while start < end:
        stop = min(start + _PIECE, end)
        if stop < end:  # not within a %XX
            stop = max(body.rfind(b"%", stop - 2, stop), start) if b"%" in body[stop - 2 : stop] else stop
        decoded += unquote_to_bytes(body[start:stop].replace(b"+", b" "))
        start = stop
    return bytes(decoded)


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
    key = "package" if has(payload, "package") else "registry_package"
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

"""GitLab project, group and system hooks. Pure.

What happened is read from the payload, not from `X-Gitlab-Event`: a signing token covers the
body and no header. System hooks name their event in `event_name`, and a project that moves
by its path alone; the instance's address then comes from `X-Gitlab-Instance`, which can at
worst cause a look at a repository that did not move.
"""

from collections.abc import Callable, Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import ReleasePublished, RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.core.versions import version_of
from hookfetch.forges.delivery_headers import content_id, sent_delivery_id
from hookfetch.forges.facts import FactFields, Provenance, RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    load_object,
    missing,
    object_name,
    required_object_name,
    required_text,
    section,
    sections,
    text,
    texts,
    usable,
)
from hookfetch.forges.signatures import SIGNING_TOKEN_PREFIX, require_standard_webhook, require_token

_URLS = ("web_url", "homepage", "git_http_url", "http_url", "git_ssh_url", "ssh_url", "url")


class GitLab:
    """The `gitlab` forge. A configured secret is a signing token if it starts with `whsec_`,
    a secret token otherwise; both may be configured while a hook changes over."""

    HEEDS: frozenset[str] = frozenset()

    def __init__(self, _: HookOptions) -> None:
        """Say nothing more: no option means anything here."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        """Return if a signing token signed the delivery within 5 minutes of `now` (Unix seconds),
        or, where it is unsigned or no signing token is configured, if it carries a secret token."""
        signing = [secret for secret in secrets if secret.startswith(SIGNING_TOKEN_PREFIX)]
        if signing and "webhook-signature" in headers:
            require_standard_webhook(headers, body, signing, now)
        else:
            tokens = [secret for secret in secrets if not secret.startswith(SIGNING_TOKEN_PREFIX)]
            require_token(headers, "x-gitlab-token", tokens)

    def delivery_id(self, headers: Mapping[str, str], body: bytes) -> str | None:
        """Return GitLab's id of the delivery, which a retry keeps. Before GitLab 17.4 there is none:
        `X-Gitlab-Event-UUID` may be shared by the hooks of one push to several branches, but not by two
        with the same body; None without that too."""
        sent = sent_delivery_id(headers, "webhook-id", "idempotency-key")
        event = sent_delivery_id(headers, "x-gitlab-event-uuid")
        return content_id(body, event) if sent is None and event is not None else sent

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for events that move no ref and no release."""
        payload = load_object(delivery.body)
        kind = text(payload, "object_kind") or text(payload, "event_name")
        if kind is None:
            raise missing("object_kind")
        read = _READERS.get(kind)
        return read(payload, delivery) if read else []


def _of_project(payload: Fields, delivery: Delivery, sender: str | None) -> Provenance:
    urls = texts(section(payload, "project"), _URLS) + texts(section(payload, "repository"), _URLS)
    provenance = provenance_of(delivery, urls, sender)
    if not provenance.repositories:
        raise missing("project.web_url")
    return provenance


def _pusher(payload: Fields) -> str | None:
    return text(payload, "user_username") or text(payload, "user_name")


def _push(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    provenance = _of_project(payload, delivery, _pusher(payload))
    fact = _ref_fact(payload, provenance.fields(), target=object_name(payload, "checkout_sha"))
    return [fact] if fact else []


def _repository_update(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    provenance = _of_project(payload, delivery, _pusher(payload))
    facts: list[UpstreamFact] = []
    for ordinal, change in enumerate(sections(payload, "changes")):
        fact = _ref_fact(change, provenance.fields(ordinal), target=None)
        if fact:
            facts.append(fact)
    return facts


def _ref_fact(change: Fields, fields: FactFields, target: str | None) -> UpstreamFact | None:
    after = required_object_name(change, "after")
    return ref_fact(
        RefChange(
            ref=required_text(change, "ref"),
            deleted=is_null(after),
            before=object_name(change, "before"),
            after=after,
            target=target,
        ),
        fields,
    )


def _release(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    tag = required_text(payload, "tag")
    # A release's payload names no user; the commit's author is the nearest it says.
    author = text(section(section(payload, "commit"), "author"), "name")
    fact = ReleasePublished(
        **_of_project(payload, delivery, author).fields(),
        tag=tag,
        version=version_of(tag),
        action=text(payload, "action"),
    )
    return [fact]


def _project(payload: Fields, delivery: Delivery) -> list[UpstreamFact]:
    paths = [required_text(payload, "path_with_namespace"), *texts(payload, ("old_path_with_namespace",))]
    instance = usable(delivery.headers.get("x-gitlab-instance"))
    # Without the instance's address the fact reaches no project, and the sweep finds what moved.
    names = [f"{instance}/{path}" for path in paths] if instance else []
    provenance = provenance_of(delivery, (), _pusher(payload), names)
    return [RepositoryMoved(**provenance.fields(), action=text(payload, "event_name"))]


_READERS: Mapping[str, Callable[[Fields, Delivery], list[UpstreamFact]]] = {
    "project_create": _project,
    "project_destroy": _project,
    "project_rename": _project,
    "project_transfer": _project,
    "project_update": _project,
    "push": _push,
    "release": _release,
    "repository_update": _repository_update,
    "tag_push": _push,
}

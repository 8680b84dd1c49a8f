"""Gitee webhooks. Pure.

Gitee's token covers a time and the secret, but no byte of the body: who reads one delivery on
its way can send another within five minutes. So TLS is what guards the body, and a fact is a
hint here even more than elsewhere. With `header = "x-gitee-token"` the hook is of Gitee's
password kind: the token is the secret itself, and no time is checked.
"""

from collections.abc import Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import Pinged, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import content_id, event_name
from hookfetch.forges.facts import RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
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
from hookfetch.forges.signatures import require_timed_token, require_token

_EVENTS = frozenset({"Push Hook", "Tag Push Hook"})
_URLS = ("html_url", "url", "git_http_url", "clone_url", "git_ssh_url", "ssh_url", "git_url", "git_svn_url")


class Gitee:
    """The `gitee` forge."""

    HEEDS = frozenset({"header"})

    def __init__(self, options: HookOptions) -> None:
        self._header = options.header

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,  # noqa: ARG002 - the contract's parameter; Gitee's token does not cover it
        secrets: Sequence[str],
        now: float,
    ) -> None:
        """Return if any of `secrets` made the token within 5 minutes of `now` (Unix seconds)."""
        if self._header is not None:
            require_token(headers, self._header, secrets)
        else:
            require_timed_token(headers, "x-gitee-token", "x-gitee-timestamp", secrets, now)

    def delivery_id(self, _: Mapping[str, str], body: bytes) -> str | None:
        """Return an id of the body, in which stands when it was sent."""
        return content_id(body)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a delivery; none for events that move no ref."""
        name = event_name(delivery.headers, "x-gitee-event")
        payload = load_object(delivery.body)
        if name not in _EVENTS:
            return []
        urls = texts(required_section(payload, "repository"), _URLS)
        provenance = provenance_of(delivery, urls, text(section(payload, "pusher"), "username"))
        if not provenance.repositories:
            raise missing("repository.html_url")
        if delivery.headers.get("x-gitee-ping") == "true":
            return [Pinged(**provenance.fields())]
        after = required_object_name(payload, "after")
        change = RefChange(
            ref=required_text(payload, "ref"),
            deleted=is_null(after),
            before=object_name(payload, "before"),
            after=after,
            target=object_name(section(payload, "head_commit"), "id"),
        )
        fact = ref_fact(change, provenance.fields())
        return [fact] if fact else []

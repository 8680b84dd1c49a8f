"""Pagure webhooks, and Pagure's bus messages of the same topics. Pure.

A webhook wraps the message in `msg` and names the repository's URL; a bus message is flat and
names only its path, so `base_url` says where that is.
"""

from collections.abc import Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import content_id
from hookfetch.forges.facts import Provenance, RefChange, full_ref, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    flag,
    has,
    load_object,
    object_name,
    required_object_name,
    required_section,
    required_text,
    text,
    texts,
)
from hookfetch.forges.signatures import require_hex_hmac


class Pagure:
    """The `pagure` forge."""

    HEEDS = frozenset({"base_url", "sha1"})

    def __init__(self, options: HookOptions) -> None:
        self._base = options.base_url
        self._sha1 = options.sha1

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; Pagure signs no time
    ) -> None:
        """Return if any of `secrets` signed `body`; Rejected otherwise."""
        if self._sha1:
            require_hex_hmac(headers, "x-pagure-signature", body, secrets, algorithm="sha1")
        else:
            require_hex_hmac(headers, "x-pagure-signature-256", body, secrets)

    def delivery_id(self, _: Mapping[str, str], body: bytes) -> str | None:
        """Return an id of the body, in which the message has an id."""
        return content_id(body)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for topics that move no ref."""
        payload = load_object(delivery.body)
        # A bus message's topic has the place it comes from before it.
        topic = required_text(payload, "topic").rpartition("pagure.")[2]
        message = required_section(payload, "msg") if has(payload, "msg") else payload
        change = _change(topic, message)
        if change is None:
            return []
        fact = ref_fact(change, self._provenance(message, delivery).fields())
        return [fact] if fact else []

    def _provenance(self, message: Fields, delivery: Delivery) -> Provenance:
        repository = required_section(message, "repo")
        urls = texts(repository, ("full_url",))
        path = "/".join(texts(repository, ("namespace", "name")))
        names = [f"{self._base}/{path}"] if self._base and not urls else []
        return provenance_of(delivery, urls, text(message, "agent"), names)


def _change(topic: str, message: Fields) -> RefChange | None:
    match topic:
        case "git.receive":
            return RefChange(
                ref=full_ref(required_text(message, "branch"), "branch"),
                deleted=False,
                before=object_name(message, "old_commit"),
                after=required_object_name(message, "end_commit"),
                forced=flag(message, "forced"),
            )
        case "git.branch.creation" | "git.branch.deletion":
            ref = full_ref(required_text(message, "branch"), "branch")
        case "git.tag.creation" | "git.tag.deletion":
            ref = full_ref(required_text(message, "tag"), "tag")
        case _:
            return None
    if topic.endswith("deletion"):
        return RefChange(ref=ref, deleted=True)
    return RefChange(ref=ref, deleted=False, after=object_name(message, "rev"))

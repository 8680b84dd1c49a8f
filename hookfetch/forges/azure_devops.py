"""Azure DevOps service hooks (`git.push`, resource details "All"). Pure.

Azure signs nothing: the secret is the password of basic authentication, or the value of a
header of the subscription. Neither covers the body, so what a delivery says rests on TLS.
"""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import content_id
from hookfetch.forges.facts import RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
    load_object,
    missing,
    object_name,
    required_object_name,
    required_section,
    required_text,
    section,
    sections,
    text,
    texts,
)
from hookfetch.forges.signatures import require_shared_secret


class AzureDevOps:
    """The `azure_devops` forge."""

    HEEDS = frozenset({"header"})

    def __init__(self, options: HookOptions) -> None:
        self._header = options.header

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,  # noqa: ARG002 - the contract's parameter; nothing covers it
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the same
    ) -> None:
        """Return if the sender knows any of `secrets`; Rejected otherwise."""
        require_shared_secret(headers, self._header, secrets)

    def delivery_id(self, _: Mapping[str, str], body: bytes) -> str | None:
        """Return an id of the body, in which the event has an id and a time."""
        return content_id(body)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a delivery, one for each ref; none for events that are no push."""
        payload = load_object(delivery.body)
        if required_text(payload, "eventType") != "git.push":
            return []
        resource = required_section(payload, "resource")
        urls = texts(required_section(resource, "repository"), ("remoteUrl", "sshUrl"))
        sender = text(section(resource, "pushedBy"), "displayName")
        provenance = provenance_of(delivery, urls, sender, filter(None, map(_ssh_url, urls)))
        if not provenance.repositories:
            raise missing("resource.repository.remoteUrl")
        facts: list[UpstreamFact] = []
        for ordinal, update in enumerate(sections(resource, "refUpdates")):
            after = required_object_name(update, "newObjectId")
            change = RefChange(
                ref=required_text(update, "name"),
                deleted=is_null(after),
                before=object_name(update, "oldObjectId"),
                after=after,
            )
            fact = ref_fact(change, provenance.fields(ordinal))
            if fact:
                facts.append(fact)
        return facts


def _ssh_url(url: str) -> str | None:
    """Return the URL by which ssh names the repository behind a web URL of Azure's own service."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    place, found, repository = parts.path.strip("/").partition("/_git/")
    return (
        f"ssh://git@ssh.dev.azure.com/v3/{place}/{repository}" if found and host == "dev.azure.com" else None
    )

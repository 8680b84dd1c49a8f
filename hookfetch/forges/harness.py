"""Harness Code (and Gitness) webhooks. Pure.

What happened is read from the signed payload, not from a header.
"""

from collections.abc import Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.facts import RefChange, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
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

_REF_TRIGGERS = frozenset(
    f"{kind}_{change}" for kind in ("branch", "tag") for change in ("created", "updated", "deleted")
)


class Harness:
    """The `harness` forge."""

    HEEDS: frozenset[str] = frozenset()

    def __init__(self, _: HookOptions) -> None:
        """Say nothing more: no option means anything here."""

    def verify(
        self,
        headers: Mapping[str, str],
        body: bytes,
        secrets: Sequence[str],
        now: float,  # noqa: ARG002 - the contract's parameter; Harness signs no time
    ) -> None:
        """Return if any of `secrets` signed `body` with HMAC-SHA256; Rejected otherwise."""
        require_hex_hmac(headers, "x-harness-signature", body, secrets)

    def delivery_id(self, _: Mapping[str, str], __: bytes) -> str | None:
        """Return None: neither headers nor body say which delivery it is, or when it was, so that there and
        back and there again sends the same bytes twice."""
        return None

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a verified delivery; none for triggers that move no ref."""
        payload = load_object(delivery.body)
        if required_text(payload, "trigger") not in _REF_TRIGGERS:
            return []
        after = required_object_name(payload, "sha")
        repository = required_section(payload, "repo")
        urls = texts(repository, ("git_url", "git_ssh_url"))
        provenance = provenance_of(delivery, urls, text(section(payload, "principal"), "uid"))
        if not provenance.repositories:
            raise missing("repo.git_url")
        change = RefChange(
            ref=required_text(section(payload, "ref"), "name"),
            deleted=is_null(after),
            before=object_name(payload, "old_sha"),
            after=after,
            target=object_name(section(payload, "head_commit"), "sha"),
            forced=flag(payload, "forced"),
        )
        fact = ref_fact(change, provenance.fields())
        return [fact] if fact else []

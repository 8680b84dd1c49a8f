"""Events of Gerrit's webhooks plugin (`ref-updated`, `batch-ref-updated`, `project-created`). Pure.

Gerrit signs nothing and names no host: the hook's `base_url` says where its projects are, and the
secret comes as basic authentication in the remote's URL, or in a header that a proxy adds.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import quote

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import RepositoryMoved, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import content_id
from hookfetch.forges.facts import Provenance, RefChange, full_ref, is_null, provenance_of, ref_fact
from hookfetch.forges.payload import (
    Fields,
    load_object,
    object_name,
    required_object_name,
    required_section,
    required_text,
    section,
    sections,
    text,
)
from hookfetch.forges.signatures import require_shared_secret


class Gerrit:
    """The `gerrit` forge."""

    HEEDS = frozenset({"base_url", "header"})
    NEEDS = frozenset({"base_url"})

    def __init__(self, options: HookOptions) -> None:
        self._base = options.base_url
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
        """Return an id of the body, in which stands when the event was made."""
        return content_id(body)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return the facts in a delivery; none for `refs/changes/…`, `refs/meta/…` and other events."""
        payload = load_object(delivery.body)
        match required_text(payload, "type"):
            case "ref-updated":
                updates: Iterator[Fields] = iter([required_section(payload, "refUpdate")])
            case "batch-ref-updated":
                updates = sections(payload, "refUpdates")
            case "project-created":
                project = required_text(payload, "projectName")
                fields = self._of_project(payload, delivery, project).fields()
                return [RepositoryMoved(**fields, action="created")]
            case _:
                return []
        facts = (self._fact(payload, delivery, ordinal, update) for ordinal, update in enumerate(updates))
        return [fact for fact in facts if fact is not None]

    def _fact(self, payload: Fields, delivery: Delivery, ordinal: int, update: Fields) -> UpstreamFact | None:
        after = required_object_name(update, "newRev")
        name = required_text(update, "refName")
        change = RefChange(
            ref=name if name.startswith("refs/") else full_ref(name, "branch"),
            deleted=is_null(after),
            before=object_name(update, "oldRev"),
            after=after,
        )
        provenance = self._of_project(payload, delivery, required_text(update, "project"))
        return ref_fact(change, provenance.fields(ordinal))

    def _of_project(self, payload: Fields, delivery: Delivery, project: str) -> Provenance:
        submitter = section(payload, "submitter")
        sender = text(submitter, "username") or text(submitter, "name")
        base = self._base
        # Gerrit serves a project under its name, and to who has logged in under /a/ too.
        names = [f"{base}/{quote(project)}", f"{base}/a/{quote(project)}"] if base else []
        return provenance_of(delivery, (), sender, names)

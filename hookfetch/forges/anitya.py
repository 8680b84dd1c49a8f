"""Anitya's bus messages (release-monitoring.org), posted at a hook. Pure.

Messages have no signature of their own: at a hook the sender knows a secret, as basic
authentication or in a header. A message names a project's homepage and where its versions were found, not a
repository's URL nor a tag; one fact is made for each new version.
"""

from collections.abc import Iterator, Mapping, Sequence

from hookfetch.core.delivery import Delivery
from hookfetch.core.events import ReleasePublished, UpstreamFact
from hookfetch.core.ports import HookOptions
from hookfetch.forges.delivery_headers import content_id
from hookfetch.forges.facts import provenance_of
from hookfetch.forges.payload import (
    Fields,
    has,
    listed_texts,
    load_object,
    required_section,
    required_text,
    section,
    text,
    texts,
)
from hookfetch.forges.signatures import require_shared_secret

_TOPICS = ("anitya.project.version.update", "anitya.project.version.update.v2", "hotness.update.bug.file")
_SITES = {
    "GitHub": "https://github.com",
    "GitLab": "https://gitlab.com",
    "BitBucket": "https://bitbucket.org",
}


class Anitya:
    """The `anitya` forge."""

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
        """Return an id of the body, in which stands when the project's versions changed."""
        return content_id(body)

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        """Return one fact for each new version in a message; none for messages of other topics."""
        payload = load_object(delivery.body)
        topic = text(payload, "topic")
        if topic is not None and not topic.endswith(_TOPICS):
            return []
        # The message that another one was caused by lies inside it.
        cause = section(section(payload, "trigger"), "msg") if has(payload, "trigger") else payload
        message = required_section(cause, "message")
        project = section(message, "project") if has(message, "project") else section(cause, "project")
        provenance = provenance_of(delivery, texts(project, ("homepage",)), None, _places(project))
        return [
            ReleasePublished(**provenance.fields(ordinal), tag=None, version=version)
            for ordinal, version in enumerate(_versions(message))
        ]


def _versions(message: Fields) -> list[str]:
    if has(message, "upstream_versions"):
        return listed_texts(message, "upstream_versions")
    return [required_text(message, "upstream_version")]


def _places(project: Fields) -> Iterator[str]:
    """Yield the repository's URL where the versions were found in one of the large forges."""
    place, site = text(project, "version_url"), _SITES.get(text(project, "backend") or "")
    if place is not None and "://" in place:
        yield place
    elif place is not None and site is not None and place.count("/") >= 1:
        yield f"{site}/{place}"

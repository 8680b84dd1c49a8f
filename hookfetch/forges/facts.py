"""What a payload says of a repository, as facts. Pure; the forge's readers know where it is written.

A fact's id counts from 0 within its delivery, by the place in the payload: a ref that is
skipped today keeps its number, so that the others keep theirs.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypedDict

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Rejected
from hookfetch.core.events import BranchDeleted, BranchPushed, ReleasePublished, TagDeleted, TagPushed
from hookfetch.core.repository import RepositoryId, identities
from hookfetch.core.versions import version_of
from hookfetch.forges.payload import Fields, flag, required_section, required_text, text

BRANCH_PREFIX = "refs/heads/"
TAG_PREFIX = "refs/tags/"

RefFact = BranchPushed | TagPushed | BranchDeleted | TagDeleted


class FactFields(TypedDict):
    """The fields that every fact carries, whatever it says."""

    id: str
    delivery_id: str
    observed_at: float
    repositories: tuple[RepositoryId, ...]
    urls: tuple[str, ...]
    sender: str | None


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where the facts of one delivery come from: the delivery, the repository and the person."""

    delivery: Delivery
    urls: tuple[str, ...]
    repositories: tuple[RepositoryId, ...]
    sender: str | None

    def fields(self, ordinal: int = 0) -> FactFields:
        """Return what the delivery's fact number `ordinal` carries."""
        return FactFields(
            id=f"{self.delivery.id}#{ordinal}",
            delivery_id=self.delivery.id,
            observed_at=self.delivery.received_at,
            repositories=self.repositories,
            urls=self.urls,
            sender=self.sender,
        )


def provenance_of(
    delivery: Delivery, urls: Iterable[str], sender: str | None, other_names: Iterable[str] = ()
) -> Provenance:
    """Return the provenance of a delivery's facts. `urls` are kept as written, once each;
    `other_names` are URLs of the same repository that the payload implies, but does not write."""
    written = tuple(dict.fromkeys(urls))
    return Provenance(delivery, written, identities((*written, *other_names)), sender)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefChange:
    """What a payload says of one ref; `ref` is full, the rest as in BranchPushed."""

    ref: str
    deleted: bool
    before: str | None = None
    after: str | None = None
    target: str | None = None
    forced: bool | None = None


def ref_fact(change: RefChange, fields: FactFields) -> RefFact | None:
    """Return the fact in `change`; None for a ref that is neither branch nor tag (notes,
    merge requests: nothing follows those). Rejected with code `forge` for an empty name."""
    if change.ref in (BRANCH_PREFIX, TAG_PREFIX):
        raise Rejected("forge", f"the payload's ref has no name: {change.ref!r}")
    branch = change.ref.startswith(BRANCH_PREFIX)
    if not branch and not change.ref.startswith(TAG_PREFIX):
        return None
    if change.deleted:
        gone: type[BranchDeleted] | type[TagDeleted] = BranchDeleted if branch else TagDeleted
        return gone(**fields, ref=change.ref, before=change.before, after=change.after)
    pushed: type[BranchPushed] | type[TagPushed] = BranchPushed if branch else TagPushed
    return pushed(
        **fields,
        ref=change.ref,
        before=change.before,
        after=change.after,
        target=change.target,
        forced=change.forced,
    )


def release_fact(payload: Fields, fields: FactFields) -> ReleasePublished:
    """Return the fact of a release in the form that GitHub, Gitea and Forgejo share."""
    release = required_section(payload, "release")
    tag = required_text(release, "tag_name")
    return ReleasePublished(
        **fields,
        tag=tag,
        version=version_of(tag),
        action=text(payload, "action"),
        prerelease=flag(release, "prerelease"),
        draft=flag(release, "draft"),
    )


def full_ref(name: str, ref_type: Literal["branch", "tag"]) -> str:
    """Return the full ref of a branch or tag that the forge names in short. A name that is full
    already stays, for a forge that sends it so is likelier than a branch named `refs/heads/…`."""
    prefix = BRANCH_PREFIX if ref_type == "branch" else TAG_PREFIX
    return name if name.startswith(prefix) else prefix + name


def is_null(name: str) -> bool:
    """Return whether a git object's name is all zeros, which stands for no object."""
    return not name.strip("0")

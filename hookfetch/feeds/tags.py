"""The release that a tag stands for. Pure."""

from datetime import datetime

from hookfetch.core.releases import Release
from hookfetch.core.versions import in_tag


def tagged(
    tag: str,
    *,
    prerelease: bool | None = None,
    published: datetime | None = None,
    urls: tuple[str, ...] = (),
) -> Release:
    """Return the release of a tag; without a version where none is plainly in it."""
    spelled = in_tag(tag)
    return Release(
        version=spelled.version if spelled else None,
        tag=tag,
        name=(spelled.name or None) if spelled else None,
        prerelease=prerelease,
        published=published,
        urls=urls,
    )

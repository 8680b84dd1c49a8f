"""Documents of one project or site with a format of its own: GNOME's cache.json, kernel.org's
releases.json, release-monitoring.org. Pure."""

from typing import Annotated

import msgspec

from hookfetch.core.releases import Reading, Release
from hookfetch.core.versions import is_prerelease
from hookfetch.feeds.document import MANY, Document, Unreadable, json, usable
from hookfetch.feeds.times import unix

_GNOME_FORMAT = 4


class _KernelVersion(msgspec.Struct, gc=False):
    version: str | None = None


class _KernelTime(msgspec.Struct, gc=False):
    timestamp: float | None = None


class _KernelRelease(msgspec.Struct, gc=False):
    version: str
    moniker: str = ""
    source: str | None = None
    changelog: str | None = None
    released: _KernelTime | None = None


class _Kernel(msgspec.Struct, gc=False):
    releases: Annotated[list[_KernelRelease], MANY]
    latest_stable: _KernelVersion | None = None


class _AnityaProject(msgspec.Struct, gc=False):
    latest_version: str | None = None
    version: str | None = None
    versions: Annotated[list[str], MANY] | None = None
    stable_versions: list[str] | None = None


class _AnityaUpdate(msgspec.Struct, gc=False):
    project: _AnityaProject
    upstream_versions: Annotated[list[str], MANY]
    stable_versions: list[str] | None = None


class _AnityaMessage(msgspec.Struct, gc=False):
    message: _AnityaUpdate


_NUMBER = msgspec.json.Decoder(int)
_FILES = msgspec.json.Decoder(dict[str, dict[str, dict[str, str]]])
_VERSIONS = msgspec.json.Decoder(Annotated[dict[str, Annotated[list[str], MANY]], MANY])


def gnome(document: Document) -> Reading:
    """Read `cache.json` of download.gnome.org/sources/<module>, whose numbers are odd for development."""
    cache = json(document, list[msgspec.Raw])
    try:
        version, files, listed = _NUMBER.decode(cache[0]), _FILES.decode(cache[1]), _VERSIONS.decode(cache[2])
    except (msgspec.DecodeError, IndexError, RecursionError) as error:
        raise Unreadable("the JSON is no cache.json of GNOME's") from error
    if version != _GNOME_FORMAT:
        raise Unreadable(f"the cache.json has format {version}, not {_GNOME_FORMAT}")
    several = len(listed) > 1
    return Reading(
        releases=tuple(
            Release(
                version=number,
                name=module if several else None,
                prerelease=is_prerelease(number, odd_even=True),
                urls=tuple(
                    url
                    for kind, path in files.get(module, {}).get(number, {}).items()
                    if kind.startswith("tar.") and (url := document.resolve(path))
                ),
            )
            for module, numbers in listed.items()
            for number in numbers
            if usable(number)
        )
    )


def kernel(document: Document) -> Reading:
    """Read kernel.org's `releases.json`; linux-next is no release."""
    kernels = json(document, _Kernel)
    return Reading(
        releases=tuple(
            Release(
                version=each.version,
                prerelease=True if each.moniker == "linux-next" else is_prerelease(each.version),
                published=unix(each.released.timestamp) if each.released else None,
                urls=tuple(
                    url for link in (each.source, each.changelog) if link and (url := document.resolve(link))
                ),
            )
            for each in kernels.releases
            if usable(each.version)
        ),
        latest=usable(kernels.latest_stable.version) if kernels.latest_stable else None,
    )


def anitya(document: Document) -> Reading:
    """Read release-monitoring.org's `/api/v2/versions/` or `/api/project/<id>`."""
    project = json(document, _AnityaProject)
    if project.versions is None:
        raise Unreadable("the JSON has no versions of a project")
    versions, stable = project.versions, project.stable_versions
    return Reading(releases=_anitya(versions, stable), latest=usable(_latest(stable, versions, project)))


def _latest(stable: list[str] | None, versions: list[str], project: _AnityaProject) -> str | None:
    # Both lists begin with the newest; the project's own `version` may be a pre-release.
    if stable is not None:
        return next(iter(stable), None)
    return project.latest_version or project.version or next(iter(versions), None)


def anitya_message(document: Document) -> Reading:
    """Read a message `anitya.project.version.update.v2`: the new versions of one project."""
    update = json(document, _AnityaMessage).message
    stable = update.stable_versions or update.project.stable_versions
    return Reading(releases=_anitya(update.upstream_versions, stable))


def _anitya(versions: list[str], stable: list[str] | None) -> tuple[Release, ...]:
    return tuple(
        Release(version=version, prerelease=None if stable is None else version not in known)
        for known in [frozenset(stable or ())]
        for version in versions
        if usable(version)
    )

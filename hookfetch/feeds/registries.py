"""The documents of PyPI, npm, crates.io, RubyGems and CPAN. Pure.

A registry knows which releases were taken back, and mostly which one it calls the latest.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

import msgspec
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from hookfetch.core.releases import Reading, Release
from hookfetch.feeds.document import MANY, Document, Unreadable, json, usable
from hookfetch.feeds.times import moment


class _PythonFile(msgspec.Struct, gc=False):
    url: str | None = None
    filename: str = ""
    upload_time_iso_8601: str | None = None
    upload_time: str | None = None
    yanked: bool | str | None = None  # the simple index gives a reason in place of true


class _PythonSimpleFile(_PythonFile, gc=False, rename={"upload_time": "upload-time"}):
    pass


class _PythonInfo(msgspec.Struct, gc=False):
    version: str | None = None


class _PythonProject(msgspec.Struct, gc=False):
    info: _PythonInfo
    releases: Annotated[dict[str, list[_PythonFile]], MANY] = {}


class _PythonIndex(msgspec.Struct, gc=False):
    files: list[_PythonSimpleFile]
    versions: Annotated[list[str], MANY] = []


class _NpmDist(msgspec.Struct, gc=False):
    tarball: str | None = None


class _NpmVersion(msgspec.Struct, gc=False):
    dist: _NpmDist | None = None
    deprecated: str | bool | None = None


class _NpmPackage(msgspec.Struct, gc=False, rename={"dist_tags": "dist-tags"}):
    versions: Annotated[dict[str, _NpmVersion], MANY] = {}
    dist_tags: dict[str, str] = {}
    time: dict[str, msgspec.Raw] = {}  # an unpublished package has an object among the times


class _CrateVersion(msgspec.Struct, gc=False):
    num: str
    yanked: bool = False
    created_at: str | None = None
    dl_path: str | None = None


class _CrateSummary(msgspec.Struct, gc=False):
    max_stable_version: str | None = None
    max_version: str | None = None


class _RegistryError(msgspec.Struct, gc=False):
    detail: str = ""


class _Crate(msgspec.Struct, gc=False):
    crate: _CrateSummary | None = None
    versions: Annotated[list[_CrateVersion], MANY] | None = None
    errors: list[_RegistryError] | None = None


class _Gem(msgspec.Struct, gc=False):
    version: str | None = None
    number: str | None = None  # in the list of a gem's versions
    name: str | None = None
    platform: str | None = None
    prerelease: bool | None = None
    yanked: bool | None = None
    created_at: str | None = None
    version_created_at: str | None = None
    gem_uri: str | None = None


class _CpanRelease(msgspec.Struct, gc=False):
    version: str | float
    distribution: str | None = None
    maturity: str | None = None
    status: str | None = None
    date: str | None = None
    download_url: str | None = None


class _CpanHit(msgspec.Struct, gc=False):
    source: _CpanRelease | None = msgspec.field(default=None, name="_source")
    fields: _CpanRelease | None = None


class _CpanHits(msgspec.Struct, gc=False):
    hits: Annotated[list[_CpanHit], MANY]


class _CpanSearch(msgspec.Struct, gc=False):
    hits: _CpanHits


_Gems = Annotated[list[_Gem], MANY]


def pypi(document: Document) -> Reading:
    """Read `/pypi/<name>/json`. A release is yanked when all its files are (PEP 592)."""
    project = json(document, _PythonProject)
    return Reading(
        releases=tuple(
            _python(document, version, files)
            for version, files in project.releases.items()
            if usable(version)
        ),
        latest=usable(project.info.version),
    )


def pypi_simple(document: Document) -> Reading:
    """Read the simple index as JSON (PEP 691); its versions are those of PEP 700, or those of its files."""
    index = json(document, _PythonIndex)
    by_version: dict[str, list[_PythonFile]] = {version: [] for version in index.versions if usable(version)}
    spelled = {_normal(version): version for version in by_version}
    for file in index.files:
        version = file_version(file.filename)
        if version is not None:
            by_version.setdefault(spelled.setdefault(version, version), []).append(file)
    return Reading(releases=tuple(_python(document, *each) for each in by_version.items()))


def file_version(filename: str) -> str | None:
    """Return the version of a sdist's or wheel's file, in PEP 440's normal form; None for other files."""
    if usable(filename) is None:
        return None
    try:
        if filename.endswith(".whl"):
            return str(parse_wheel_filename(filename)[1])
        return str(parse_sdist_filename(filename)[1])
    except (InvalidSdistFilename, InvalidWheelFilename, InvalidVersion, ValueError):
        return None


def _normal(version: str) -> str:
    try:
        return str(PythonVersion(version))
    except (InvalidVersion, ValueError):
        return version


def _python(document: Document, version: str, files: Iterable[_PythonFile]) -> Release:
    files = list(files)
    times = [time for file in files if (time := moment(file.upload_time_iso_8601 or file.upload_time))]
    return Release(
        version=version,
        prerelease=python_prerelease(version),
        yanked=bool(files) and all(file.yanked or file.yanked == "" for file in files),
        published=min(times, default=None),
        urls=tuple(url for file in files if file.url and (url := document.resolve(file.url))),
    )


def python_prerelease(version: str) -> bool | None:
    """Return whether PEP 440 counts a version among the pre-releases; None for what is none of its."""
    try:
        return PythonVersion(version).is_prerelease
    except (InvalidVersion, ValueError):
        return None


def npm(document: Document) -> Reading:
    """Read a packument, full or abbreviated. A deprecated version counts as yanked: its authors ask
    everyone not to use it."""
    package = json(document, _NpmPackage)
    return Reading(
        releases=tuple(
            Release(
                version=version,
                yanked=bool(each.deprecated),
                published=_npm_time(package.time.get(version)),
                urls=_urls(document, each.dist.tarball if each.dist else None),
            )
            for version, each in package.versions.items()
            if usable(version)
        ),
        latest=usable(package.dist_tags.get("latest")),
    )


def _npm_time(value: msgspec.Raw | None) -> datetime | None:
    try:
        return moment(msgspec.json.decode(value, type=str)) if value else None
    except msgspec.DecodeError:
        return None


def crates(document: Document) -> Reading:
    """Read `/api/v1/crates/<name>`."""
    crate = json(document, _Crate)
    if crate.errors:
        raise Unreadable(f"the registry answered: {usable(crate.errors[0].detail[:200]) or 'an error'}")
    summary = crate.crate or _CrateSummary()
    return Reading(
        releases=tuple(
            Release(
                version=each.num,
                yanked=each.yanked,
                published=moment(each.created_at),
                urls=_urls(document, each.dl_path),
            )
            for each in crate.versions or ()
            if usable(each.num)
        ),
        latest=usable(summary.max_stable_version or summary.max_version),
    )


def gems(document: Document) -> Reading:
    """Read a gem, the versions of one, or the latest gems: `/api/v1/gems/<name>.json`,
    `/api/v1/versions/<name>.json`, `/api/v1/activity/latest.json`."""
    several = document.body.lstrip()[:1] == b"["
    found = json(document, _Gems) if several else [json(document, _Gem)]
    named = len({gem.name for gem in found}) > 1
    return Reading(
        releases=tuple(
            Release(
                version=version,
                name=gem.name if named else None,
                prerelease=gem.prerelease,
                yanked=bool(gem.yanked),
                published=moment(gem.version_created_at or gem.created_at),
                urls=_urls(document, gem.gem_uri),
                platform=gem.platform if gem.platform != "ruby" else None,
            )
            for gem in found
            if (version := usable(gem.version or gem.number))
        )
    )


def cpan(document: Document) -> Reading:
    """Read MetaCPAN's release of a distribution, or a search of its releases: `/v1/release/<name>`,
    `/v1/release/_search`. What is not on CPAN any more (`backpan`) counts as yanked."""
    if b'"hits"' in document.body:
        hits = json(document, _CpanSearch).hits.hits
        found = [release for hit in hits if (release := hit.source or hit.fields)]
    else:
        found = [json(document, _CpanRelease)]
    named = len({release.distribution for release in found}) > 1
    return Reading(
        releases=tuple(
            Release(
                version=version,
                name=release.distribution if named else None,
                prerelease=release.maturity == "developer" if release.maturity else None,
                yanked=release.status == "backpan",
                published=moment(release.date),
                urls=_urls(document, release.download_url),
            )
            for release in found
            if (version := usable(str(release.version)))
        )
    )


def _urls(document: Document, link: str | None) -> tuple[str, ...]:
    url = document.resolve(link) if link else None
    return (url,) if url else ()

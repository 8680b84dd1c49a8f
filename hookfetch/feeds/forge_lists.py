"""The REST lists of forges: releases and tags of GitHub, GitLab, Gitea and Bitbucket. Pure.

One page is one document; whoever asks follows the pages.
"""

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from hookfetch.core.releases import Reading, Release
from hookfetch.feeds.document import MANY, Document, Unreadable, json, usable
from hookfetch.feeds.tags import tagged
from hookfetch.feeds.times import moment

_T = TypeVar("_T")


class _Asset(msgspec.Struct, gc=False):
    browser_download_url: str | None = None


class _GitHubRelease(msgspec.Struct, gc=False):
    """Also Gitea's and Forgejo's, which have the same keys."""

    tag_name: str
    draft: bool | None = None
    prerelease: bool | None = None
    published_at: str | None = None
    html_url: str | None = None
    assets: list[_Asset] | None = None


class _GitLabLink(msgspec.Struct, gc=False):
    url: str | None = None
    direct_asset_url: str | None = None


class _GitLabSource(msgspec.Struct, gc=False):
    url: str | None = None


class _GitLabAssets(msgspec.Struct, gc=False):
    links: list[_GitLabLink] | None = None
    sources: list[_GitLabSource] | None = None


class _GitLabRelease(msgspec.Struct, gc=False):
    tag_name: str
    released_at: str | None = None
    upcoming_release: bool | None = None
    assets: _GitLabAssets | None = None


class _Commit(msgspec.Struct, gc=False):
    created: str | None = None  # Gitea
    created_at: str | None = None  # GitLab


class _Tag(msgspec.Struct, gc=False):
    name: str
    commit: _Commit | None = None
    created_at: str | None = None  # GitLab 17: when an annotated tag was made


class _Target(msgspec.Struct, gc=False):
    date: str | None = None


class _BitbucketTag(msgspec.Struct, gc=False):
    name: str
    date: str | None = None
    target: _Target | None = None


class _BitbucketPage(msgspec.Struct, gc=False):
    values: Annotated[list[_BitbucketTag], MANY]


class _Message(msgspec.Struct, gc=False):
    message: str | None = None
    error: str | None = None


def github_releases(document: Document) -> Reading:
    """Read `GET /repos/{owner}/{repo}/releases` of GitHub, Gitea or Forgejo; drafts are not published."""
    return Reading(
        releases=tuple(
            _release(
                document,
                each.tag_name,
                moment(each.published_at),
                [asset.browser_download_url for asset in each.assets or ()] + [each.html_url],
                prerelease=each.prerelease,
            )
            for each in _list(document, _GitHubRelease)
            if not each.draft
        )
    )


def gitlab_releases(document: Document) -> Reading:
    """Read `GET /projects/{id}/releases`; upcoming ones have a date to come, and are none yet."""
    return Reading(
        releases=tuple(
            _release(document, each.tag_name, moment(each.released_at), _gitlab_urls(each.assets))
            for each in _list(document, _GitLabRelease)
            if not each.upcoming_release
        )
    )


def _gitlab_urls(assets: _GitLabAssets | None) -> list[str | None]:
    if assets is None:
        return []
    links = [link.direct_asset_url or link.url for link in assets.links or ()]
    return links + [source.url for source in assets.sources or ()]


def tags(document: Document) -> Reading:
    """Read the tags of GitHub, Gitea (`/repos/{owner}/{repo}/tags`) or GitLab (`…/repository/tags`)."""
    return Reading(
        releases=tuple(_release(document, each.name, _tagged(each)) for each in _list(document, _Tag))
    )


def _tagged(tag: _Tag) -> datetime | None:
    commit = tag.commit
    return moment(tag.created_at or (commit and (commit.created_at or commit.created)) or None)


def bitbucket_tags(document: Document) -> Reading:
    """Read `GET /2.0/repositories/{workspace}/{repo}/refs/tags`."""
    return Reading(
        releases=tuple(
            _release(document, each.name, moment(each.date or (each.target and each.target.date)))
            for each in json(document, _BitbucketPage).values
        )
    )


def _list(document: Document, item: type[_T]) -> list[_T]:
    try:
        return json(document, Annotated[list[item], MANY])  # type: ignore[valid-type, arg-type]
    except Unreadable:
        said = _said(document)
        if said:
            raise Unreadable(f"the forge answered: {said}") from None
        raise


def _said(document: Document) -> str | None:
    try:
        answer = json(document, _Message)
    except Unreadable:
        return None
    return usable((answer.message or answer.error or "")[:200])


def _release(
    document: Document,
    tag: str,
    published: datetime | None,
    urls: list[str | None] | None = None,
    *,
    prerelease: bool | None = None,
) -> Release:
    if usable(tag) is None:
        raise Unreadable(
            "the document has a tag that no git has: empty, too long, or with control characters"
        )
    files = tuple(url for each in urls or () if each and (url := document.resolve(each)))
    return tagged(tag, prerelease=prerelease, published=published, urls=files)

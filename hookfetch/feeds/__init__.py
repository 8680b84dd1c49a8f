"""A document of an upstream in, its releases out. Pure: nothing is fetched, opened or run.

    reading = read("github_atom", Document(body=body, content_type=content_type, url=url))

Whatever the bytes are, the answer is a Reading or Unreadable, in bounded time and memory (docs/feeds.md).
"""

from collections.abc import Callable, Mapping

from hookfetch.core.releases import Reading
from hookfetch.feeds import (
    forge_feeds,
    forge_lists,
    line_lists,
    listings,
    registries,
    single,
    watch,
)
from hookfetch.feeds.document import MAX_BODY, Document, Unreadable

__all__ = ["KINDS", "MAX_BODY", "Document", "Unreadable", "read"]

KINDS: Mapping[str, Callable[[Document], Reading]] = {
    # Atom and RSS
    "generic": forge_feeds.generic,
    "github_atom": forge_feeds.github,
    "gitlab_atom": forge_feeds.gitlab,
    "gitea_atom": forge_feeds.gitea,
    "gitea_rss": forge_feeds.gitea,
    "sourceforge_rss": forge_feeds.sourceforge,
    "kernel_kdist_rss": forge_feeds.kernel,
    "pypi_rss": forge_feeds.registry,
    "npm_rss": forge_feeds.registry,
    "cgit_atom": forge_feeds.commits,
    "gitweb": forge_feeds.commits,
    # lists of forges
    "github_api_releases": forge_lists.github_releases,
    "gitea_api_releases": forge_lists.github_releases,
    "gitlab_api_releases": forge_lists.gitlab_releases,
    "github_api_tags": forge_lists.tags,
    "gitea_api_tags": forge_lists.tags,
    "gitlab_api_tags": forge_lists.tags,
    "bitbucket_api_tags": forge_lists.bitbucket_tags,
    # listings
    "html_index": listings.directory,
    "nginx_json_index": listings.nginx,
    "cgit_refs_html": listings.git_tags,
    "git_tags": line_lists.git_tags,
    # registries
    "pypi_json": registries.pypi,
    "pypi_simple_json": registries.pypi_simple,
    "pypi_simple_html": listings.pypi_simple,
    "npm": registries.npm,
    "crates_io": registries.crates,
    "crates_sparse_index": line_lists.crates,
    "rubygems": registries.gems,
    "rubygems_compact_index": line_lists.gems,
    "cpan": registries.cpan,
    "goproxy": line_lists.go,
    # one project or site
    "gnome_cache_json": single.gnome,
    "kernel_releases_json": single.kernel,
    "anitya": single.anitya,
    "anitya_message": single.anitya_message,
    "debian_watch": watch.watch,
}


def read(kind: str, document: Document) -> Reading:
    """Return what a document of this kind says; Unreadable where it is not of the kind, or refused."""
    reader = KINDS.get(kind)
    if reader is None:
        raise Unreadable(f"there is no kind of feed {kind[:40]!r}; docs/feeds.md lists them")
    return reader(document)

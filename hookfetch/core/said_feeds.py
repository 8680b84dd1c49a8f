"""A feed that a person names for an element, in one line: `<address>`, `<kind> <address>` or `none`. Pure."""

import re
from urllib.parse import urlsplit

from hookfetch.core.derivation import Feed

NONE = "none"  # nothing is asked

# The kinds of `hookfetch.feeds` that a server has at an address. The others come otherwise, or are refused.
KINDS = frozenset(
    {
        "anitya",
        "bitbucket_api_tags",
        "cgit_refs_html",
        "cpan",
        "crates_io",
        "crates_sparse_index",
        "generic",
        "gitea_api_releases",
        "gitea_api_tags",
        "gitea_atom",
        "gitea_rss",
        "github_api_releases",
        "github_api_tags",
        "github_atom",
        "gitlab_api_releases",
        "gitlab_api_tags",
        "gitlab_atom",
        "gnome_cache_json",
        "goproxy",
        "html_index",
        "kernel_kdist_rss",
        "kernel_releases_json",
        "nginx_json_index",
        "npm",
        "npm_rss",
        "pypi_json",
        "pypi_rss",
        "pypi_simple_html",
        "pypi_simple_json",
        "rubygems",
        "rubygems_compact_index",
        "sourceforge_rss",
    }
)

# An address that tells its kind: what it ends with, where it is no folder.
_BY_ADDRESS = (
    (re.compile(r"https://github\.com/[^/]+/[^/]+/(?:releases|tags)\.atom"), "github_atom"),
    (re.compile(r"https://api\.github\.com/repos/[^/]+/[^/]+/releases(?:\?.*)?"), "github_api_releases"),
    (re.compile(r"https://api\.github\.com/repos/[^/]+/[^/]+/tags(?:\?.*)?"), "github_api_tags"),
    (re.compile(r".*/-/(?:tags\?format=atom|releases\.atom|tags/?\?.*format=atom.*)"), "gitlab_atom"),
    (re.compile(r".*/api/v4/projects/[^/]+/releases(?:\?.*)?"), "gitlab_api_releases"),
    (re.compile(r".*/api/v1/repos/[^/]+/[^/]+/releases(?:\?.*)?"), "gitea_api_releases"),
    (re.compile(r"https://sourceforge\.net/projects/[^/]+/rss(?:\?.*)?"), "sourceforge_rss"),
    (re.compile(r".*/cache\.json"), "gnome_cache_json"),
    (re.compile(r".*/pypi/[^/]+/json"), "pypi_json"),
    (re.compile(r".*/api/v2/versions/\?.*|.*/api/project/[0-9]+"), "anitya"),
    (re.compile(r".*/@v/list"), "goproxy"),
    (re.compile(r".*(?:\.atom|\.rss|\.xml|/rss|/feed|/atom)/?"), "generic"),
)
_UNUSABLE = re.compile(r"[\x00-\x20\x7f]")


def said(text: str) -> Feed | None:
    """Return the feed that `text` names, None for `none`; ValueError says what is wrong with it."""
    words = text.split()
    if words == [NONE]:
        return None
    if len(words) not in (1, 2):
        raise ValueError("is neither an address, nor a kind and an address, nor `none`")
    url = words[-1]
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        usable = False
    if not usable or _UNUSABLE.search(url):
        raise ValueError("has no http(s) address without an account")
    kind = words[0] if len(words) == 2 else _kind(url)
    if kind not in KINDS:
        raise ValueError(f"there is no kind of feed {kind[:40]!r}: docs/feeds.md lists them")
    return Feed(kind=kind, url=url, sure="certain", origin="said")


def checked(text: str) -> str:
    """Return `text` if it names a feed, or none; ValueError says what is wrong with it."""
    said(text)
    return text


def _kind(url: str) -> str:
    return next((kind for pattern, kind in _BY_ADDRESS if pattern.fullmatch(url)), "html_index")

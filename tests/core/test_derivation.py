"""From an archive's address follows where its upstream tells of releases. Most cases are of real projects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.derivation import derive
from hookfetch.core.egress import named_by
from hookfetch.core.policy import ElementPolicy, Policy, PolicyKeys
from hookfetch.core.said_feeds import KINDS, said
from hookfetch.core.sources import Element, Source
from hookfetch.core.watching import all_watches, watches
from hookfetch.feeds import KINDS as READ

GITHUB = "https://github.com"
DIGEST = "7da8d02d3aff56805c50312cff61d4d27add62e64b7d3236d105e334d383"

# URL, version, kind, feed, how sure, which of several things
CASES = [
    (
        f"{GITHUB}/svaarala/duktape/releases/download/v2.7.0/duktape-2.7.0.tar.xz",
        "2.7.0", "github_atom", f"{GITHUB}/svaarala/duktape/releases.atom", "certain", None,
    ),
    (
        f"{GITHUB}/docbook/xslt10-stylesheets/releases/download/release/1.79.2/docbook-xsl-nons-1.79.2.tar.gz",
        "1.79.2", "github_atom", f"{GITHUB}/docbook/xslt10-stylesheets/releases.atom", "certain", None,
    ),
    (
        f"{GITHUB}/notofonts/noto-cjk/releases/download/Sans2.004/03_NotoSansCJK-OTC.zip",
        "2.004", "github_atom", f"{GITHUB}/notofonts/noto-cjk/releases.atom", "certain", "Sans",
    ),
    (
        f"{GITHUB}/westes/flex/files/981163/flex-2.6.4.tar.gz",
        "2.6.4", "github_atom", f"{GITHUB}/westes/flex/tags.atom", "likely", None,
    ),
    (
        f"{GITHUB}/o/r/archive/refs/tags/lib-v1.2.tar.gz",
        "1.2", "github_atom", f"{GITHUB}/o/r/tags.atom", "certain", "lib",
    ),
    (
        "https://codeload.github.com/o/r/tar.gz/v1.2",
        "1.2", "github_atom", f"{GITHUB}/o/r/tags.atom", "certain", None,
    ),
    (
        "https://gitlab.com/freedesktop-sdk/utils/-/raw/v1.0.3/nvd/__main__.py",
        "1.0.3", "gitlab_atom", "https://gitlab.com/freedesktop-sdk/utils/-/tags?format=atom",
        "certain", None,
    ),
    (
        "https://gitlab.example.org/group/sub/r/-/archive/v2.1/r-v2.1.tar.bz2",
        "2.1", "gitlab_atom", "https://gitlab.example.org/group/sub/r/-/tags?format=atom", "certain", None,
    ),
    (
        "https://codeberg.org/o/r/archive/1.20.2.tar.gz",
        "1.20.2", "gitea_rss", "https://codeberg.org/o/r/tags.rss", "certain", None,
    ),
    (
        "https://forge.example.org/o/r/releases/download/v3.1/r-3.1.tar.gz",
        "3.1", "gitea_rss", "https://forge.example.org/o/r/releases.rss", "likely", None,
    ),
    (
        "https://git.sr.ht/~u/r/archive/1.4.tar.gz",
        "1.4", "generic", "https://git.sr.ht/~u/r/refs/rss.xml", "certain", None,
    ),
    (
        "https://download.gnome.org/sources/cantarell-fonts/0.303/cantarell-fonts-0.303.1.tar.xz",
        "0.303.1", "gnome_cache_json", "https://download.gnome.org/sources/cantarell-fonts/cache.json",
        "certain", None,
    ),
    (
        "https://cdn.kernel.org/pub/linux/kernel/v6.x/linux-6.18.41.tar.xz",
        "6.18.41", "kernel_releases_json", "https://www.kernel.org/releases.json", "certain", None,
    ),
    (
        "https://sourceforge.net/projects/dejavu/files/dejavu/2.37/dejavu-fonts-ttf-2.37.tar.bz2",
        "2.37", "sourceforge_rss", "https://sourceforge.net/projects/dejavu/rss", "certain",
        "dejavu-fonts-ttf",
    ),
    (
        "https://downloads.sourceforge.net/tcl/tcl9.0.1-src.tar.gz",
        "9.0.1", "sourceforge_rss", "https://sourceforge.net/projects/tcl/rss", "certain", "tcl",
    ),
    (
        "https://launchpad.net/intltool/trunk/0.51.0/+download/intltool-0.51.0.tar.gz",
        "0.51.0", "html_index", "https://launchpad.net/intltool/+download", "likely", "intltool",
    ),
    (
        f"https://files.pypi.example.org/packages/e1/ea/{DIGEST}/python_dbusmock-2.3.1.tar.gz",
        "2.3.1", "pypi_json", "https://pypi.example.org/pypi/python-dbusmock/json", "likely", None,
    ),
    (
        "https://static.crates.example.org/crates/libslirp/libslirp-4.3.2.crate",
        "4.3.2", "crates_sparse_index", "https://index.crates.example.org/li/bs/libslirp", "certain", None,
    ),
    (
        "https://npm.example.org/@babel/core/-/core-7.2.0.tgz",
        "7.2.0", "npm", "https://npm.example.org/@babel%2fcore", "certain", None,
    ),
    (
        "https://gems.example.org/downloads/asciidoctor-2.0.20.gem",
        "2.0.20", "rubygems_compact_index", "https://gems.example.org/info/asciidoctor", "certain", None,
    ),
    (
        "https://go.example.org/golang.org/x/text/@v/v0.3.0.zip",
        "0.3.0", "goproxy", "https://go.example.org/golang.org/x/text/@v/list", "certain", None,
    ),
    (
        "https://cpan.example.org/authors/id/W/WB/WBRASWELL/Parse-Yapp-1.21.tar.gz",
        "1.21", "html_index", "https://cpan.example.org/authors/id/W/WB/WBRASWELL/", "likely", "Parse-Yapp",
    ),
    (
        "https://ftpmirror.gnu.org/gnu/libidn/libidn2-2.3.8.tar.gz",
        "2.3.8", "html_index", "https://ftp.gnu.org/gnu/libidn/", "likely", "libidn2",
    ),
    (
        "https://archive.mozilla.org/pub/nspr/releases/v4.39/src/nspr-4.39.tar.gz",
        "4.39", "html_index", "https://archive.mozilla.org/pub/nspr/releases/", "likely", None,
    ),
    (
        "https://www.lua.org/ftp/lua-5.5.1.tar.gz",
        "5.5.1", "html_index", "https://www.lua.org/ftp/", "guess", "lua",
    ),
    (
        "https://unicode.org/Public/cldr/47/cldr-common-47.zip",
        "47", "html_index", "https://unicode.org/Public/cldr/", "guess", None,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("url", "version", "kind", "feed", "sure", "name"), CASES, ids=[case[0].split("/")[2] for case in CASES]
)
def test_an_archive_leads_to_its_feed(
    url: str, version: str, kind: str, feed: str, sure: str, name: str | None
) -> None:
    found = derive(url, version)
    assert found is not None
    assert (found.kind, found.url, found.sure, found.name) == (kind, feed, sure, name)
    assert named_by(found.url)


@pytest.mark.parametrize(
    ("url", "version"),
    [
        ("https://example.org/gcc-15.1.0/gcc-15.1.0.tar.xz", "15.1.0"),  # what 15.2.0's folder is called?
        ("ftp://ftp.example.org/a-1.0.tar.gz", "1.0"),
        ("https:///a-1.0.tar.gz", "1.0"),
        ("https://[::1/a-1.0.tar.gz", "1.0"),
        ("https://example.org/", "1.0"),
        ("https://example.org/noversion.bin", "1.0"),
    ],
)
def test_where_nothing_follows_there_is_no_feed(url: str, version: str) -> None:
    assert derive(url, version) is None


PARTS = sorted({part for case in CASES for part in case[0].split("/")[3:]} | {"download", "-", "@v", ".."})
HOSTS = sorted(
    {case[0].split("/")[2] for case in CASES} | {"[::1]", "a:99999", "x.downloads.sourceforge.net"}
)


@given(
    st.sampled_from(HOSTS), st.lists(st.sampled_from(PARTS), max_size=7), st.sampled_from(["1.0", "v", ""])
)
def test_no_address_breaks_it(host: str, parts: list[str], version: str) -> None:
    found = derive(f"https://{host}/{'/'.join(parts)}", version)
    assert found is None or found.url.startswith("https://")


def test_the_python_index_is_that_of_the_configuration() -> None:
    url = f"https://files.example.net/packages/e1/ea/{DIGEST}/Foo_Bar-1.0.tar.gz"
    found = derive(url, "1.0", "https://index.example.org")
    assert found is not None
    assert (found.url, found.sure) == ("https://index.example.org/pypi/foo-bar/json", "certain")


def test_a_port_stays_and_an_account_goes() -> None:
    found = derive("http://me:secret@[::1]:8080/pub/a-1.0.tar.gz", "1.0")
    assert found is not None
    assert found.url == "http://[::1]:8080/pub/"


def test_the_kinds_that_may_be_named_are_those_that_can_be_read_and_asked_for() -> None:
    unasked = {"anitya_message", "debian_watch", "git_tags", "cgit_atom", "gitweb"}
    assert READ.keys() - unasked == KINDS


@pytest.mark.parametrize(
    ("text", "kind", "url"),
    [
        (f"{GITHUB}/o/r/tags.atom", "github_atom", f"{GITHUB}/o/r/tags.atom"),
        ("https://example.org/news.rss", "generic", "https://example.org/news.rss"),
        ("https://example.org/pub/", "html_index", "https://example.org/pub/"),
        ("anitya https://example.org/x", "anitya", "https://example.org/x"),
    ],
)
def test_a_feed_is_named_in_one_line(text: str, kind: str, url: str) -> None:
    found = said(text)
    assert found is not None
    assert (found.kind, found.url) == (kind, url)


@pytest.mark.parametrize(
    "text",
    ["", "file:///etc/passwd", "nokind https://example.org/", "https://a:b@example.org/", "a b c", "-x"],
)
def test_what_names_no_feed_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        said(text)


def tar(url: str, index: int = 0, version: str | None = None, guess: str | None = None) -> Source:
    return Source(index=index, kind="tar", urls=(url,), version=version, version_guess=guess)


def test_sources_of_one_version_are_watched_as_one_and_of_two_apart() -> None:
    element = Element(
        name="a.bst",
        kind="manual",
        sources=(
            tar("https://ftp.gnu.org/gnu/gcc/gcc-15.1.tar.xz"),
            tar("https://ftp.gnu.org/gnu/gcc/docs-15.1.tar.xz", 1),
            tar("https://ftp.gnu.org/gnu/gmp/gmp-6.3.0.tar.xz", 2),
            Source(index=3, kind="git_repo", urls=(f"{GITHUB}/o/r",)),
        ),
    )
    found = watches(element, ElementPolicy())
    assert [(each.current, each.feed and each.feed.url) for each in found] == [
        ("15.1", "https://ftp.gnu.org/gnu/gcc/"),
        ("6.3.0", "https://ftp.gnu.org/gnu/gmp/"),
    ]


def test_the_version_is_what_the_source_says_then_what_its_address_has_then_a_guess() -> None:
    url, bare = "https://example.org/pub/a-1.0.tar.gz", "https://example.org/1.2.3/a.run"
    for source, expected in (
        (tar(url, version="1.0.0", guess=None), "1.0.0"),
        (tar(url, guess="9"), "1.0"),
        (tar(bare, guess="1.2.3"), "1.2.3"),
    ):
        (found,) = watches(Element(name="a.bst", kind="manual", sources=(source,)), ElementPolicy())
        assert found.current == expected


def test_policy_names_a_feed_or_none_and_pinned_elements_have_none() -> None:
    elements = [
        Element(name=f"{name}.bst", kind="manual", sources=(tar("https://example.org/pub/foo-1.0.tar.gz"),))
        for name in ("named", "none", "pinned", "plain")
    ]
    policy = Policy(
        own={
            "named.bst": PolicyKeys(feed="https://example.org/all/", series="1.*"),
            "none.bst": PolicyKeys(feed="none"),
            "pinned.bst": PolicyKeys(pin=True),
        }
    )
    found = {each.element: each for each in all_watches(elements, policy)}
    assert found.keys() == {"named.bst", "none.bst", "plain.bst"}
    named = found["named.bst"]
    assert named.feed is not None
    assert (named.feed.url, named.feed.origin, named.rules.name) == (
        "https://example.org/all/",
        "said",
        "foo",
    )
    assert named.rules.series == "1.*"
    assert found["none.bst"].feed is None
    assert found["none.bst"].why == "its policy has `feed: none`"

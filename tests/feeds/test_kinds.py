"""What is read in each kind of document, where the corpus has no example."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from hookfetch.core.releases import Lookup, Release
from hookfetch.feeds import Document, Unreadable, read

DAY = datetime(2024, 5, 1, 12, tzinfo=UTC)
SAID = "2024-05-01T14:00:00+02:00"


def releases(kind: str, body: object, url: str | None = None) -> tuple[Release, ...]:
    return read(kind, document(body, url)).releases


def document(body: object, url: str | None = None) -> Document:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Document(body=raw, url=url)


def test_github_lists_files_and_the_page_of_a_release_and_drafts_are_none() -> None:
    listed = [
        {
            "tag_name": "foo-v1.2",
            "draft": False,
            "prerelease": True,
            "published_at": SAID,
            "html_url": "https://github.com/a/foo/releases/tag/foo-v1.2",
            "assets": [{"browser_download_url": "https://github.com/a/foo/releases/download/x.tar.xz"}],
        },
        {"tag_name": "v2.0", "draft": True},
    ]
    for kind in ("github_api_releases", "gitea_api_releases"):
        assert releases(kind, listed) == (
            Release(
                version="1.2",
                tag="foo-v1.2",
                name="foo",
                prerelease=True,
                published=DAY,
                urls=(
                    "https://github.com/a/foo/releases/download/x.tar.xz",
                    "https://github.com/a/foo/releases/tag/foo-v1.2",
                ),
            ),
        )


def test_what_a_forge_answers_in_place_of_a_list_is_the_reason() -> None:
    with pytest.raises(Unreadable, match="the forge answered: API rate limit exceeded"):
        releases("github_api_tags", {"message": "API rate limit exceeded", "documentation_url": "x"})
    with pytest.raises(Unreadable, match="not of this kind"):
        releases("github_api_tags", {"other": 1})


def test_gitlab_lists_assets_and_upcoming_releases_are_none() -> None:
    assets = {
        "links": [{"url": "https://a/1.tgz", "direct_asset_url": "https://gitlab.com/x/1.tgz"}],
        "sources": [{"format": "zip", "url": "https://gitlab.com/x/-/archive/v1.0/x-v1.0.zip"}],
    }
    listed = [
        {"tag_name": "v1.0", "released_at": SAID, "assets": assets},
        {"tag_name": "v2.0", "released_at": "2099-01-01T00:00:00Z", "upcoming_release": True},
    ]
    (release,) = releases("gitlab_api_releases", listed)
    assert (release.version, release.published) == ("1.0", DAY)
    assert release.urls == ("https://gitlab.com/x/1.tgz", "https://gitlab.com/x/-/archive/v1.0/x-v1.0.zip")


def test_tags_of_gitea_and_gitlab_have_the_time_of_their_commits() -> None:
    for kind, key in (("gitea_api_tags", "created"), ("gitlab_api_tags", "created_at")):
        (release,) = releases(kind, [{"name": "v1.0", "commit": {key: SAID, "id": "a"}}])
        assert (release.tag, release.published) == ("v1.0", DAY)


def test_the_tag_of_an_entry_is_in_its_link_or_id_not_in_its_title() -> None:
    entry = "<entry><id>tag:github.com,2008:Repository/1/{}</id><title>Spring cleaning 9.9</title></entry>"
    feed = f"<feed xmlns='http://www.w3.org/2005/Atom'>{entry.format('GLIB_2_80_1')}</feed>"
    (release,) = releases("github_atom", feed)
    assert (release.version, release.tag, release.name) == ("2.80.1", "GLIB_2_80_1", "GLIB")


def test_a_repository_called_releases_has_tags_like_others() -> None:
    link = "<item><link>https://host/a/releases/releases/tag/{}</link></item>"
    (release,) = releases("gitea_rss", f"<rss><channel>{link.format('x%2Ftag%2Fv1.0')}</channel></rss>")
    assert (release.tag, release.version) == ("x/tag/v1.0", "1.0")


def test_a_gitlab_below_a_path_and_one_with_old_addresses_are_read() -> None:
    link = "<entry><link href='https://host/git/x/tags/y/-/{}/v1.0'/></entry>"
    for section in ("tags", "releases"):
        (release,) = releases("gitlab_atom", f"<feed>{link.format(section)}</feed>")
        assert release.tag == "v1.0"
    assert not releases("gitlab_atom", f"<feed>{link.format('issues')}</feed>")
    (release,) = releases(
        "gitlab_atom", "<feed><entry><link href='https://host/x/y/tags/v1.0'/></entry></feed>"
    )
    assert release.tag == "v1.0"


def test_an_entry_of_a_generic_feed_is_a_release_if_a_version_is_plainly_there() -> None:
    items = [
        "<item><title>Foo 1.10 is out</title></item>",
        "<item><title>All news</title><link>https://a/f/bar-2.0.tar.xz/download</link></item>",
        "<item><title>News</title><enclosure url='https://a/baz_3.1.zip'/></item>",
        "<item><title>From 1.0 to 2.0: what changed</title></item>",
        "<item><title>Our 10 years</title></item>",
    ]
    found = releases("generic", f"<rss><channel>{''.join(items)}</channel></rss>")
    assert [(release.name, release.version) for release in found] == [
        (None, "1.10"),
        ("bar", "2.0"),
        ("baz", "3.1"),
    ]


def test_a_feed_of_a_registry_has_the_version_in_its_link_or_title() -> None:
    items = [
        "<item><title>foo 1.5rc1</title><link>https://pypi.example.org/project/foo/1.5rc1/</link></item>",
        "<item><title>bar</title><link>https://www.npm.example.org/package/bar</link></item>",
    ]
    (release,) = releases("pypi_rss", f"<rss><channel>{''.join(items)}</channel></rss>")
    assert (release.name, release.version) == ("foo", "1.5rc1")


def test_a_listing_names_one_release_for_all_its_archives_with_their_addresses() -> None:
    page = (
        "<a href='foo-1.0.tar.gz'>x</a><a href=\"foo-1.0.tar.xz\">x</a><a href='foo-1.0.tar.xz.sha256'>x</a>"
    )
    (release,) = releases("html_index", page, "https://example.org/pub/foo/")
    assert release.urls == (
        "https://example.org/pub/foo/foo-1.0.tar.gz",
        "https://example.org/pub/foo/foo-1.0.tar.xz",
    )


def test_folders_named_by_versions_count_where_no_archive_does() -> None:
    folders = "<a href='../'>..</a><a href='2.9/'>2.9/</a><a href='v2.10/'>x</a><a href='old/'>x</a>"
    assert [each.version for each in releases("html_index", folders)] == ["2.9", "2.10"]
    assert [each.version for each in releases("html_index", folders + "<a href='a-3.0.zip'>")] == ["3.0"]


def test_nginx_lists_in_json_too() -> None:
    listed = [
        {"name": "foo 1", "type": "directory", "mtime": "Wed, 01 May 2024 12:00:00 GMT"},
        {"name": "foo-1.0#a.tar.gz", "type": "file", "mtime": SAID, "size": 1},
    ]
    (release,) = releases("nginx_json_index", listed, "https://example.org/")
    assert (release.version, release.urls) == ("1.0#a", ("https://example.org/foo-1.0%23a.tar.gz",))


def test_tags_are_read_from_cgit_and_git_ls_remote() -> None:
    page = (
        "<a href='/foo/tag/?h=v1.0'>v1.0</a><a href='/foo/snapshot/foo-v1.0.tar.gz'>x</a>"
        "<a href='/foo/commit/?id=abc'>x</a><a href='/foo/tag/?h=nightly'>nightly</a>"
    )
    assert [(each.tag, each.version) for each in releases("cgit_refs_html", page)] == [
        ("v1.0", "1.0"),
        ("nightly", None),
    ]
    listed = f"{'a' * 40}\trefs/tags/v1.0\n{'b' * 40}\trefs/tags/v1.0^{{}}\n{'c' * 40}\trefs/heads/main\n"
    assert [each.tag for each in releases("git_tags", listed)] == ["v1.0"]
    assert releases("git_tags", "") == ()


def test_gnome_has_development_series_with_odd_numbers() -> None:
    files = {"glib": {"2.79.1": {"tar.xz": "2.79/glib-2.79.1.tar.xz", "changes": "x"}, "2.80.0": {}}}
    cache = [4, files, {"glib": ["2.79.1", "2.80.0", "2.99.0", "40.beta", "41.1"]}, {}]
    found = releases("gnome_cache_json", cache, "https://download.example.org/sources/glib/cache.json")
    assert [each.prerelease for each in found] == [True, False, True, True, False]
    assert found[0].urls == ("https://download.example.org/sources/glib/2.79/glib-2.79.1.tar.xz",)
    with pytest.raises(Unreadable, match="format 5, not 4"):
        releases("gnome_cache_json", [5, *cache[1:]])


def test_go_has_lists_and_single_versions_and_what_is_made_of_a_commit_is_no_release() -> None:
    listed = "v1.0.0\nv1.1.0-rc.1\nv0.0.0-20190410190852-abcdefabcdef\n"
    assert [each.version for each in releases("goproxy", listed)] == ["v1.0.0", "v1.1.0-rc.1"]
    (release,) = releases("goproxy", {"Version": "v1.2.3", "Time": SAID})
    assert (release.version, release.name, release.published) == ("v1.2.3", None, DAY)
    with pytest.raises(Unreadable, match="no list of versions"):
        releases("goproxy", "not found: module x\n")


def test_npm_deprecation_and_crates_yanks_are_one() -> None:
    package = {
        "versions": {"1.0.0": {"deprecated": "use 2"}, "2.0.0": {"dist": {"tarball": "https://a/2.tgz"}}},
        "time": {"2.0.0": SAID, "unpublished": {"name": "x"}},
        "dist-tags": {"latest": "2.0.0"},
    }
    old, new = releases("npm", package)
    assert (old.yanked, new.yanked, new.published, new.urls) == (True, False, DAY, ("https://a/2.tgz",))
    (crate,) = releases("crates_io", {"versions": [{"num": "1.0.0", "yanked": True}]})
    assert crate.yanked


def test_cpan_has_development_releases_and_ones_that_were_taken_down() -> None:
    hit: dict[str, Any] = {"version": "1.02", "distribution": "Foo", "maturity": "released", "date": SAID}
    listed = [hit, hit | {"version": "1.03_01", "maturity": "developer"}, hit | {"status": "backpan"}]
    found = releases("cpan", {"hits": {"hits": [{"_source": each} for each in listed]}})
    assert [(each.version, each.prerelease, each.yanked) for each in found] == [
        ("1.02", False, False),
        ("1.03_01", True, False),
        ("1.02", False, True),
    ]
    (release,) = releases(
        "cpan", hit | {"version": 2.5, "download_url": "https://cpan.example.org/Foo-2.5.tgz"}
    )
    assert (release.version, release.urls) == ("2.5", ("https://cpan.example.org/Foo-2.5.tgz",))


def test_gems_for_a_platform_are_told_apart() -> None:
    listed = [{"number": "1.0", "platform": "java"}, {"number": "1.0", "platform": "ruby"}]
    assert [each.platform for each in releases("rubygems", listed)] == ["java", None]
    index = "---\n1.0 |checksum:a\n1.1-java a:>= 1|checksum:b\n1.2 |checksum:c\n-1.2 |checksum:c\n"
    found = releases("rubygems_compact_index", index)
    assert [(each.version, each.platform, each.yanked) for each in found] == [
        ("1.0", None, False),
        ("1.1-java", "java", False),
        ("1.2", None, True),
    ]


def test_release_monitoring_tells_versions_by_http_and_by_message() -> None:
    told = {"latest_version": "2.0rc1", "versions": ["2.0rc1", "1.9"], "stable_versions": ["1.9"]}
    reading = read("anitya", document(told))
    assert reading.latest == "1.9"
    assert [(each.version, each.prerelease) for each in reading.releases] == [
        ("2.0rc1", True),
        ("1.9", False),
    ]
    message = {"message": {"project": {"stable_versions": ["1.9"]}, "upstream_versions": ["2.0rc1", "1.9"]}}
    assert releases("anitya_message", message) == reading.releases


def test_a_watch_file_names_pages_and_patterns() -> None:
    three = "version=3\nopts=uversionmangle=s/x/y/ \\\nhttp://a/b/(\\d+)/ foo-(.*)\\.tgz debian uupdate\n"
    assert read("debian_watch", document(three)).lookups == (
        Lookup(url="http://a/b/(\\d+)/", pattern="foo-(.*)\\.tgz"),
    )
    five = (
        "Version: 5\n\nSource: https://a/b\nMatching-Pattern: foo@ANY_VERSION@\n\nTemplate: Pypi\nDist: x\n"
    )
    assert read("debian_watch", document(five)).lookups == (
        Lookup(url="https://a/b", pattern="foo@ANY_VERSION@"),
    )
    with pytest.raises(Unreadable, match="version of a watch file"):
        read("debian_watch", document("version=2\nhttp://a b\n"))


def test_there_is_no_other_kind() -> None:
    with pytest.raises(Unreadable, match="there is no kind of feed 'gopher'"):
        releases("gopher", "")

"""Every document of the corpus is read as whoever collected it reads it."""

import posixpath
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from hookfetch.core.releases import Reading
from hookfetch.feeds import KINDS, Document, Unreadable, read
from hookfetch.feeds.syndication import entries
from tests.feeds import corpus

CASES = [case for case in corpus.expected() if case["kind"] in KINDS and case["expect"] in ("ok", "text")]
COMMITS = ("cgit_atom", "gitweb")
# Feeds whose titles are prose, listings of files, and files of a release: counted by other tests.
ONE_EACH = [case for case in CASES if any({"version", "tag"} & set(each) for each in case.get("entries", []))]
FILES = [case for case in CASES if any({"file", "href"} & set(each) for each in case.get("entries", []))]


def document(case: dict[str, Any], url: str | None = None) -> Document:
    return Document(body=corpus.body(case), content_type=case["content_type"], url=url)


def reading(case: dict[str, Any]) -> Reading:
    return read(case["kind"], document(case))


def name(case: dict[str, Any]) -> str:
    return str(case["file"]).removeprefix("feeds/")


@pytest.mark.parametrize("case", ONE_EACH, ids=name)
def test_each_entry_is_a_release_with_its_version_or_tag_and_what_is_said_of_it(case: dict[str, Any]) -> None:
    found = reading(case).releases
    for key in ("version", "tag", "prerelease", "yanked"):
        wanted = [entry[key] for entry in case["entries"] if key in entry]
        if wanted:
            assert sorted(map(str, wanted)) == sorted(str(getattr(release, key)) for release in found)


@pytest.mark.parametrize("case", [case for case in CASES if case.get("latest")], ids=name)
def test_what_the_document_calls_the_latest_is_so(case: dict[str, Any]) -> None:
    assert reading(case).latest in (case["latest"], None)


@pytest.mark.parametrize("case", FILES, ids=name)
def test_of_files_the_archives_with_a_version_are_releases(case: dict[str, Any]) -> None:
    listed = {
        posixpath.basename(unquote(entry["href"]) if "href" in entry else entry["file"])
        for entry in case["entries"]
    }
    archives = {file for file in listed if file.endswith((".gz", ".xz", ".zip", ".tgz", ".whl", ".bz2"))}
    urls = [url for release in reading(case).releases for url in release.urls]
    found = {posixpath.basename(unquote(urlsplit(url).path)) for url in urls}
    assert found <= archives
    odd = {"foo-latest.tar.gz", "Luigi-1.0.9.macosx-10.7-intel.tar.gz", "luigi-1.0.9.macosx-10.7-intel.zip"}
    assert archives - found <= odd | {"luigi-1.0.9.macosx-10.7-intel.tar.gz"}


def test_a_version_of_pypi_is_yanked_when_all_its_files_are() -> None:
    (case,) = [case for case in FILES if case["file"].endswith("simple_response_yanked.html")]
    yanked = [release for release in reading(case).releases if release.yanked]
    assert len(yanked) == case["yanked"]


@pytest.mark.parametrize("case", [case for case in CASES if case["kind"] in COMMITS], ids=name)
def test_commits_are_no_releases(case: dict[str, Any]) -> None:
    for kind in (case["kind"], "generic"):
        with pytest.raises(Unreadable, match="commits, which are no releases"):
            read(kind, document(case))


def test_a_package_that_is_not_there_is_said_so() -> None:
    (case,) = [case for case in corpus.expected() if case["expect"] == "not_found"]
    with pytest.raises(Unreadable, match="the registry answered: Not Found"):
        reading(case)


REFERENCE = [case for case in corpus.expected() if case.get("reference") == "feedparser"]
# feedparser also reads Microsoft's CDF of 1997.
NO_FEEDS = ("feedparser-wellformed__cdf__item_abstract_map_summary.xml",)


def count(case: dict[str, Any]) -> int:
    try:
        return len(entries(document(case)))
    except Unreadable:
        return 0


@pytest.mark.parametrize("case", REFERENCE, ids=name)
def test_a_feed_has_the_entries_that_feedparser_finds_in_it_and_a_broken_one_raises_nothing_else(
    case: dict[str, Any],
) -> None:
    wanted = case.get("reference_entries", len(case.get("entries", [])))
    assert count(case) == (0 if case["file"].endswith(NO_FEEDS) else wanted)


@pytest.mark.parametrize("case", [case for case in REFERENCE if "entries" in case], ids=name)
def test_entries_have_the_titles_and_links_that_feedparser_finds(case: dict[str, Any]) -> None:
    found = [(entry.title, entry.link) for entry in entries(document(case))]
    assert found == [(entry["title"], entry["link"]) for entry in case["entries"]]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_document_of_the_corpus_is_more_than_unreadable_as_another_kind(kind: str) -> None:
    for case in corpus.expected():
        try:
            read(kind, document(case, "https://example.org/a/"))
        except Unreadable as error:
            assert "\n" not in str(error)  # noqa: PT017 - that it is raised is not what is tested

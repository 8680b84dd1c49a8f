"""Whatever a document holds, reading it ends soon, in little memory, and raises Unreadable or nothing."""

import codecs
import contextlib
import json
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.feeds import KINDS, MAX_BODY, Document, Unreadable, read
from hookfetch.feeds.document import usable
from hookfetch.feeds.syndication import MAX_FEED, entries

MEGABYTE = 1024 * 1024
FEED = "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title>{}</title></entry></feed>"
ENTITIES = """<?xml version="1.0"?><!DOCTYPE feed [<!ENTITY a "{}"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c SYSTEM "file:///etc/passwd">]>"""

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["versions", "releases", "files", "hits", "tag_name", "num", "info", "time", "message", "1.0"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)
pieces = st.lists(
    st.sampled_from(
        [
            *(
                "<feed>",
                "<rss>",
                "<entry>",
                "<item>",
                "</entry>",
                "<title>1.0",
                "<link href='",
                "x-1.0.tar.gz'>",
            ),
            *("<a href=", "&b;", "]]>", "<![CDATA[", "<!--", "<!DOCTYPE a [", "\x00", "\ud800", "v1.0", "\n"),
            *(
                "---",
                "version=4",
                "https://[",
                "?h=",
                "refs/tags/",
                "<updated>",
                "99999-13-45T99",
                "é",
                "%zz",
            ),
        ]
    ),
    max_size=30,
)
bodies = (
    st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | pieces.map(lambda parts: "".join(parts).encode("utf-8", "surrogatepass"))
)
headers = st.none() | st.sampled_from(
    ["text/html; charset=", "charset=utf-16", "charset=idna", "charset=zip"]
)
addresses = st.none() | st.sampled_from(["https://example.org/a/", "http://[::", "", "//", "é://"])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(KINDS)), bodies, headers, addresses)
def test_nothing_but_unreadable_is_raised(
    kind: str, body: bytes, content_type: str | None, url: str | None
) -> None:
    try:
        reading = read(kind, Document(body=body, content_type=content_type, url=url))
    except Unreadable as error:
        assert "\n" not in str(error)  # noqa: PT017 - that it is raised is not what is tested
    else:
        for release in reading.releases:
            for text in (release.version, release.tag, release.name, *release.urls):
                assert text is None or text == "" or usable(text)


@pytest.mark.parametrize("kind", ["generic", "github_atom", "sourceforge_rss"])
@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "utf-32", "cp037"])
def test_entities_are_refused_in_every_charset(kind: str, charset: str) -> None:
    body = (ENTITIES.format("x" * 1000) + FEED.format("&b;&c;")).encode(charset)
    with pytest.raises(Unreadable, match="declares entities"):
        read(kind, Document(body=body))


def test_a_listing_in_xml_has_no_document_type() -> None:
    body = b"<!DOCTYPE list SYSTEM 'file:///etc/passwd'><list><file>a-1.0.zip</file></list>"
    with pytest.raises(Unreadable, match="document type"):
        read("nginx_json_index", Document(body=body))


@pytest.mark.parametrize(
    "charset", ["idna", "punycode", "unicode_escape", "zip", "utf-7", "no-such", "undefined"]
)
def test_a_charset_that_is_none_is_not_tried(charset: str) -> None:
    body = f"<?xml version='1.0' encoding='{charset}'?>{FEED.format('1.0' + 'a' * 200_000)}".encode()
    started = time.process_time()
    found = entries(Document(body=body, content_type=f"application/atom+xml; charset={charset}"))
    assert len(found) == 1
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (FEED.format("é 1.0").encode(), None),
        (FEED.format("é 1.0").encode(), "text/xml; charset=us-ascii"),
        (FEED.format("é 1.0").encode("latin-1"), "text/xml; charset=ISO-8859-1"),
        (FEED.format("é 1.0").encode("latin-1"), "text/xml; charset=utf-8"),
        (b"<?xml version='1.0' encoding='iso-8859-15'?>" + FEED.format("é 1.0").encode("latin-1"), None),
        (codecs.BOM_UTF16_LE + FEED.format("é 1.0").encode("utf-16-le"), "text/xml; charset=utf-8"),
        (FEED.format("é 1.0").encode("utf-16-be"), None),
        (b"\n \n" + codecs.BOM_UTF8 + FEED.format("é 1.0").encode(), None),
    ],
    ids=range(8),
)
def test_a_wrong_charset_is_seen_through(body: bytes, content_type: str | None) -> None:
    (entry,) = entries(Document(body=body, content_type=content_type))
    assert entry.title == "é 1.0"


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"html_index", "cgit_refs_html", "pypi_simple_html"}))
def test_a_page_that_says_sorry_with_200_is_no_document(kind: str) -> None:
    page = b"<!DOCTYPE html><html><head><title>502</title></head><body><h1>Sorry 2.0</h1></body></html>"
    with pytest.raises(Unreadable):
        read(kind, Document(body=page, content_type="text/html"))


@pytest.mark.parametrize("kind", ["html_index", "cgit_refs_html", "pypi_simple_html"])
def test_a_page_that_says_sorry_lists_nothing(kind: str) -> None:
    assert not read(kind, Document(body=b"<html><h1>Sorry 2.0</h1><a href='/'>home</a></html>")).releases


def test_what_is_too_long_is_refused_unread() -> None:
    with pytest.raises(Unreadable, match=f"more than {MAX_BODY} bytes"):
        Document(body=b"x" * (MAX_BODY + 1))
    with pytest.raises(Unreadable, match=f"more than {MAX_FEED} bytes"):
        read("generic", Document(body=FEED.format("x" * MAX_FEED).encode()))


def bulky() -> Iterator[tuple[str, bytes]]:
    """Yield documents of a megabyte or more that are made of the parts that cost most."""
    for kind, piece in (
        ("generic", b"<"),
        ("generic", b"<a>"),
        ("generic", b"<entry>"),
        ("generic", b"<updated>"),
        ("generic", b"<entry><title>1.0</title></entry>"),
        ("html_index", b"<"),
        ("html_index", b"<div>"),
        ("html_index", b"<a href='a-1.0.zip'>"),
        ("html_index", b"<a href='"),
        ("cgit_refs_html", b"<a href='?h=a;b=c;"),
    ):
        yield kind, b"<feed>" + piece * (MEGABYTE // len(piece))
    for kind in ("html_index", "pypi_simple_html"):
        yield kind, b"".join(b"<a href='%d/a-1.0.tar.gz'>" % number for number in range(45_000))
    yield "generic", b"<feed><entry><updated>" + b"9" * MEGABYTE
    yield "github_api_tags", b"[" * MEGABYTE
    yield "github_api_tags", b'[{"name":"v1"}' + b',{"name":"v1"}' * 200_000 + b"]"
    yield "npm", b'{"time":{"a":1' + b',"b":1' * 2_000_000 + b"}}"
    yield "pypi_simple_json", b'{"files":[],"versions":["1"' + b',"1"' * 500_000 + b"]}"
    yield "nginx_json_index", b"<list>" + b"<file>a-1.zip</file>" * 60_000 + b"</list>"
    yield "goproxy", b"v1.0.0\n" * 60_000
    yield "git_tags", b"a" * 40 + b" refs/tags/" + b"a-" * MEGABYTE
    yield "debian_watch", b"version=4\n" + b'opts="' * 10_000


@pytest.mark.parametrize(("kind", "body"), list(bulky()))
def test_no_document_takes_long(kind: str, body: bytes) -> None:
    started = time.process_time()
    with contextlib.suppress(Unreadable):
        read(kind, Document(body=body))
    assert time.process_time() - started < 5

"""The links of a page. Pure: nothing is fetched, no script runs, and no tree of the page is built."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from lxml import etree

from hookfetch.feeds.document import MAX_RELEASES, MAX_TEXT, Document, Unreadable, decoded
from hookfetch.feeds.markup import feed_markup

MAX_PAGE = 8 * 1024 * 1024  # bytes; a listing of 50,000 files


@dataclass(slots=True)
class Link:
    """An `a` element: where it leads, as it is written, its attributes, and its text."""

    href: str
    attributes: dict[str, str]
    text: str = ""


@dataclass(slots=True)
class _Collector:
    """lxml's target: it is told of each tag, and keeps the links alone."""

    links: list[Link] = field(default_factory=list)
    open: Link | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "a" and (href := attributes.get("href")) is not None:
            if len(self.links) == MAX_RELEASES:
                raise Unreadable(f"the page has more than {MAX_RELEASES} links")
            self.open = Link(href, dict(attributes))
            self.links.append(self.open)

    def end(self, tag: str) -> None:
        if tag == "a":
            self.open = None

    def data(self, text: str) -> None:
        if self.open is not None and len(self.open.text) < MAX_TEXT:
            self.open.text += text

    def close(self) -> list[Link]:
        return self.links


def links(document: Document) -> list[Link]:
    """Return the links of an HTML page in its order, however broken it is."""
    if len(document.body) > MAX_PAGE:
        raise Unreadable(f"the page has more than {MAX_PAGE} bytes")
    text = decoded(document)
    collector = _Collector()
    parser = etree.HTMLParser(target=collector, no_network=True, huge_tree=False, encoding="utf-8")
    feed_markup(parser, text)
    return collector.links


def file_names(found: list[Link]) -> Iterator[tuple[str, Link]]:
    """Yield what each link of a listing is called, with a slash after a folder's name; the listing's own
    links (to sort it, to the folder above) and links elsewhere have none, and are left out."""
    for link in found:
        try:
            parts = urlsplit(link.href.strip())
        except ValueError:
            continue
        path = parts.path.rstrip("/")
        name = unquote(path.rpartition("/")[2])
        if name and name not in (".", "..") and not parts.query:
            yield name + "/" * parts.path.endswith("/"), link

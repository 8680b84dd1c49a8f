"""Atom and RSS documents of any kind (RFC 4287; RSS 0.9x, 1.0, 2.0): their entries. Pure.

Also of broken ones: libxml2 goes on after an error. (feedparser is kinder to them, but a hostile feed of
64 KiB keeps it busy for seconds, and it decodes by any codec that a document names.) What the feeds
of each forge mean by their entries is in `forge_feeds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from lxml import etree

from hookfetch.feeds.document import MAX_TEXT, Document, Unreadable, decoded, usable
from hookfetch.feeds.markup import feed_markup
from hookfetch.feeds.times import moment

MAX_FEED = 4 * 1024 * 1024  # bytes
MAX_ENTRIES = 10_000  # feeds have their newest 10 to 100

_ROOTS = frozenset({"feed", "rss", "RDF"})
_ENTRIES = frozenset({"entry", "item"})
_TEXTS = frozenset({"id", "guid", "title", "link", "published", "pubDate", "date", "issued", "updated"})
_DATES = ("published", "issued", "pubDate", "date", "updated")  # from when it was made to when it was changed
_LONGEST_DATE = 64  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a feed. `id` is as the feed gives it, or its link; `link` an address, not percent-decoded;
    `files` the addresses of its enclosures."""

    id: str
    title: str
    link: str | None
    published: datetime | None
    files: tuple[str, ...]


@dataclass(slots=True)
class _Raw:
    """An entry as it is written: the first text of each element, the link to its page, enclosures."""

    texts: dict[str, str] = field(default_factory=dict)
    link: str | None = None
    files: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Collector:
    """lxml's target: it is told of each element, and keeps those of entries that say what it is."""

    found: list[_Raw] = field(default_factory=list)
    root: str | None = None
    depth: int = 0
    entry_depth: int = 0
    entry: _Raw | None = None
    name: str | None = None  # of the element whose text is being read
    text: list[str] = field(default_factory=list)

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = _local(tag)
        self.root = self.root or name
        self.depth += 1
        if self.entry is None:
            if name in _ENTRIES:
                if len(self.found) == MAX_ENTRIES:
                    raise Unreadable(f"the feed has more than {MAX_ENTRIES} entries")
                self.entry, self.entry_depth = _Raw(), self.depth
                self.found.append(self.entry)
        elif self.depth == self.entry_depth + 1:  # what is deeper belongs to its content
            self.name, self.text = (name if name in _TEXTS else None), []
            _note_link(self.entry, name, attributes)

    def data(self, text: str) -> None:
        if self.name is not None and len(self.text) < MAX_TEXT:
            self.text.append(text[: MAX_TEXT + 1])

    def end(self, _: str) -> None:
        if self.entry is not None:
            if self.depth == self.entry_depth + 1 and self.name is not None:
                self.entry.texts.setdefault(self.name, "".join(self.text)[: MAX_TEXT + 1])
                self.name = None
            elif self.depth == self.entry_depth:
                self.entry = None
        self.depth -= 1

    def close(self) -> list[_Raw]:
        return self.found


def _local(tag: str) -> str:
    """Return an element's name without its namespace, or a prefix that was not declared."""
    return tag.rpartition("}")[2].rpartition(":")[2]


def _note_link(entry: _Raw, name: str, attributes: Mapping[str, str]) -> None:
    address = attributes.get("href") or attributes.get("url")
    if address is None:
        return
    if name == "enclosure" or (name == "link" and attributes.get("rel") == "enclosure"):
        if len(entry.files) < MAX_TEXT:
            entry.files.append(address)
    elif name == "link" and attributes.get("rel", "alternate") == "alternate":
        entry.link = entry.link or address


def entries(document: Document) -> list[Entry]:
    """Return the entries of a feed in its order; Unreadable where the document is none."""
    if len(document.body) > MAX_FEED:
        raise Unreadable(f"the feed has more than {MAX_FEED} bytes")
    text = decoded(document).lstrip()
    if "<!ENTITY" in text:
        raise Unreadable("the feed declares entities, which no feed of releases needs")
    collector = _Collector()
    parser = etree.XMLParser(
        target=collector,
        encoding="utf-8",
        recover=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    feed_markup(parser, text)
    if collector.root not in _ROOTS and not collector.found:
        raise Unreadable("the document is neither Atom nor RSS")
    return [_entry(raw, document) for raw in collector.found]


def _entry(raw: _Raw, document: Document) -> Entry:
    texts = {name: " ".join(text.split()) for name, text in raw.texts.items()}
    link = raw.link or texts.get("link")
    address = document.resolve(link) if link else None
    times = (_time(texts[name]) for name in _DATES if name in texts)
    return Entry(
        id=usable(texts.get("id") or texts.get("guid")) or address or "",
        title=usable(texts.get("title")) or "",
        link=address,
        published=next(filter(None, times), None),
        files=tuple(url for file in raw.files if (url := document.resolve(file))),
    )


def _time(text: str) -> datetime | None:
    """Return a time as Atom (RFC 3339) or RSS (RFC 822) writes it, in UTC."""
    if len(text) > _LONGEST_DATE:
        return None
    written = moment(text)
    if written is not None:
        return written
    try:
        time = parsedate_to_datetime(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None

"""Text given to libxml2 piece by piece, so that no tree is built and a parser's copies stay small. Pure."""

from lxml import etree

from hookfetch.feeds.document import Unreadable

_CHUNK = 64 * 1024  # characters


def feed_markup(parser: "etree.XMLParser | etree.HTMLParser", text: str) -> None:
    """Have a parser with a target read a text to its end, or to where libxml2 gives up: what its target
    has been told until then is what the document says."""
    try:
        for start in range(0, len(text), _CHUNK):
            parser.feed(text[start : start + _CHUNK].encode("utf-8", "replace"))
        parser.close()
    except etree.LxmlError as error:
        if not text.lstrip().startswith("<"):
            raise Unreadable("the document is no markup") from error

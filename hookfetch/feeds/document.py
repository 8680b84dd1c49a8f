"""A document of an upstream as it arrived, and bounded ways to read its bytes. Pure.

Nothing here believes the document: its size, its charset, its nesting and the number of its parts are
limited before anything is built from it.
"""

import codecs
import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import msgspec

from hookfetch.core.errors import HookfetchError

MAX_BODY = 16 * 1024 * 1024  # bytes; npm's and PyPI's longest have about that much
MAX_RELEASES = 50_000
MANY = msgspec.Meta(max_length=MAX_RELEASES)  # of a list or an object with a part for each release
MAX_TEXT = 4096  # characters of a name, a version or a URL
_MAX_OBJECTS = 400_000  # in JSON; each takes up to 200 bytes once read
_MAX_COMMAS = 1_000_000

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{1,40})", re.IGNORECASE)
_DECLARED = re.compile(rb"<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9_.:-]{1,40})[\"']")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# `<?` or `<a` without a byte order mark, in what is no superset of ASCII.
_STARTS = (
    (b"<\0\0\0", "utf-32-le"),
    (b"\0\0\0<", "utf-32-be"),
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
    (b"\x4c\x6f\xa7\x94", "cp037"),
)
# Python has codecs that are no charsets; some of them take time that grows with the square of the text.
_CHARSETS = re.compile(
    r"ascii|utf-(?:8|16|32)(?:-sig|-le|-be)?|iso8859-[0-9]+|cp[0-9]+|koi8-[rtu]|gbk?[0-9]*|big5(?:hkscs)?"
    r"|euc_(?:jp|kr|jis_2004|jisx0213)|shift_jis(?:_2004|x0213)?|johab|tis-620|mac-[a-z]+|hp-roman8|kz1048|ptcp154"
)
_UNUSABLE = re.compile("[\x00-\x1f\x7f\ud800-\udfff]")

_T = TypeVar("_T")


class Unreadable(HookfetchError):
    """The document is not of its kind, or is refused; the one line says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """The bytes of an answer, its Content-Type if it had one, and where it came from, after redirects."""

    body: bytes
    content_type: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is too long."""
        if len(self.body) > MAX_BODY:
            raise Unreadable(f"the document has more than {MAX_BODY} bytes")

    def resolve(self, link: str) -> str | None:
        """Return `link` as an address, from where the document came; as it is where that is not known.
        None where it is none, or of a scheme that is not fetched from."""
        if len(link) > MAX_TEXT or _UNUSABLE.search(link):
            return None
        try:
            address = urljoin(self.url or "", link)
            scheme = urlsplit(address).scheme
        except ValueError:
            return None
        return address if scheme in ("http", "https", "ftp", "") else None


def usable(value: str | None) -> str | None:
    """Return `value` if it is a text that may be passed on: not empty, in one line, not too long."""
    return value if value and len(value) <= MAX_TEXT and not _UNUSABLE.search(value) else None


def decoded(document: Document) -> str:
    """Return the text of a document: by its byte order mark, else as its Content-Type, its XML declaration
    or UTF-8 say, whichever is first possible; what is in no charset is read as Windows-1252."""
    body = document.body
    named = (_CHARSET.search(document.content_type or ""), _DECLARED.search(body[:1024]))
    charsets = [
        next((charset for mark, charset in _BOMS if body.startswith(mark)), None),
        named[0] and named[0][1],
        named[1] and named[1][1].decode(),
        next((charset for start, charset in _STARTS if body.startswith(start)), None),
        "utf-8",
    ]
    for charset in filter(None, charsets):
        codec = _codec(charset.lower())
        if codec is not None:
            try:
                return body.decode(codec)
            except UnicodeError:
                continue
    return body.decode("cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    try:
        name = codecs.lookup(charset).name
    except (LookupError, ValueError):
        return None
    return name if _CHARSETS.fullmatch(name) else None


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, strict=False)


def json(document: Document, shape: type[_T]) -> _T:
    """Return the JSON in a document in the given shape; what the shape does not name is skipped."""
    body = document.body.removeprefix(codecs.BOM_UTF8)
    if body.count(b"{") > _MAX_OBJECTS or body.count(b",") > _MAX_COMMAS:
        raise Unreadable("the document has too many parts")
    try:
        return _decoder(shape).decode(body)  # type: ignore[no-any-return, arg-type]
    except msgspec.ValidationError as error:
        raise Unreadable(f"the JSON is not of this kind: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Unreadable("the document is not JSON, or is nested too deeply") from error

"""What is to be sent of a file, by the conditions and the range in a request (RFC 9110, 13.2.2 and 14.2).
Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_RANGE = re.compile(r"bytes=(?P<first>\d{0,18})-(?P<last>\d{0,18})")
_ETAG = re.compile(r'(?:W/)?"[!#-~]*"')


@dataclass(frozen=True, slots=True)
class Part:
    """The status, and the bytes to be sent from `start` to before `end`."""

    status: int
    start: int = 0
    end: int = 0


def part_of(headers: Mapping[str, str], etag: str, modified: int, size: int) -> Part:
    """Return what to send to GET or HEAD with `headers` of a file of `size` bytes that came at the Unix time
    `modified`; `etag` is strong. A range in a form that is not served (several at once) is passed over."""
    if_match, if_none_match = headers.get("If-Match"), headers.get("If-None-Match")
    if if_match is not None:
        if not _names(if_match, etag, weakly=False):
            return Part(412)
    elif (date := _date(headers.get("If-Unmodified-Since"))) is not None and modified > date:
        return Part(412)
    if if_none_match is not None:
        if _names(if_none_match, etag, weakly=True):
            return Part(304)
    elif (date := _date(headers.get("If-Modified-Since"))) is not None and modified <= date:
        return Part(304)
    whole = Part(200, 0, size)
    if_range = headers.get("If-Range")
    if if_range is not None and if_range != etag and _date(if_range) != modified:
        return whole
    return _range(headers.get("Range"), size) or whole


def _range(text: str | None, size: int) -> Part | None:
    found = _RANGE.fullmatch(text or "")
    if found is None or not (found["first"] or found["last"]):
        return None
    if not found["first"]:
        start, end = max(size - int(found["last"]), 0), size
    else:
        start = int(found["first"])
        end = min(int(found["last"]) + 1, size) if found["last"] else size
        if found["last"] and int(found["last"]) < start:
            return None  # invalid, which is not the same as one beyond the end
    return Part(206, start, end) if start < end else Part(416)


def _names(text: str, etag: str, *, weakly: bool) -> bool:
    if text.strip() == "*":
        return True
    named = _ETAG.findall(text)
    return etag in ([each.removeprefix("W/") for each in named] if weakly else named)


def _date(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text)
        return int(date.replace(tzinfo=date.tzinfo or UTC).timestamp())
    except (ValueError, TypeError, OverflowError):
        return None


def http_date(when: int) -> str:
    """Return a Unix time as HTTP has it (RFC 9110, 5.6.7)."""
    return datetime.fromtimestamp(when, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")

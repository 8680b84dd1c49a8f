"""Has a file at a fixed address become another one? What its server says of it in, an answer out. Pure."""

from dataclasses import dataclass

from hookfetch.core.sources import Source

# Kinds whose ref is the digest of what is at their URL, whose plugins download it whole to track it.
_KINDS = frozenset({"tar", "zip", "remote"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """What a server says of a file without sending it (RFC 9110, 8.8 and 8.6); None where it does not say."""

    etag: str | None = None
    last_modified: str | None = None
    length: int | None = None

    @property
    def tell(self) -> bool:
        """Return whether a change would show in them."""
        return self.etag is not None or self.last_modified is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFile:
    """A file as it was at the last look that found it changed, or at the first: `seen_at`, and `changed_at`
    if it was seen to change, in Unix seconds."""

    validators: Validators
    seen_at: float
    changed_at: float | None = None


def file_of(source: Source) -> str | None:
    """Return the http(s) address of the file that `source` is, None where it is something else."""
    url = source.urls[0] if source.urls else ""
    is_asked = source.kind in _KINDS and url.lower().startswith(("http://", "https://"))
    return url if is_asked else None


def is_another(known: Validators, seen: Validators) -> bool:
    """Return whether the file has changed since it was `known`, as far as both looks say.

    Servers of one name often agree on time and length, and each has ETags of its own: then the former count.
    Nothing that only one of the looks says is a change.
    """
    if (known.last_modified, known.length) == (seen.last_modified, seen.length) and None not in (
        known.last_modified,
        known.length,
    ):
        return False
    if known.etag is not None and seen.etag is not None:
        return _opaque(known.etag) != _opaque(seen.etag)
    if known.last_modified is not None and seen.last_modified is not None:
        return known.last_modified != seen.last_modified
    return False


def _opaque(etag: str) -> str:
    return etag.strip().removeprefix("W/")

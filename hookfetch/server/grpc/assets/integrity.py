"""What `checksum.sri` says a file is: Subresource Integrity (https://www.w3.org/TR/SRI/, 3.5). Pure.

Of checksums by several functions those by the strongest count, and any one of them is enough.
"""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from io import BufferedReader

_STRENGTH = ("sha256", "sha384", "sha512")
_METADATA = re.compile(r"(?P<function>sha(?:256|384|512))-(?P<digest>[A-Za-z0-9+/]+={0,2})(?:\?[!-~]*)?")
MOST = 1000  # characters


@dataclass(frozen=True, slots=True)
class Integrity:
    """A file has one of `digests` (hexadecimal) by `function`; `sha256` are those that it may have by that
    one, none where it is not known."""

    function: str
    digests: frozenset[str]

    @property
    def sha256(self) -> frozenset[str]:
        """Return by which SHA-256 the file is known, if it is."""
        return self.digests if self.function == "sha256" else frozenset()

    def fits(self, file: BufferedReader) -> bool:
        """Return whether a file, which is read to its end, has such a checksum."""
        return hashlib.file_digest(file, self.function).hexdigest() in self.digests


def parse(text: str) -> Integrity:
    """Return what `text` says; ValueError with the reason when it says nothing that can be checked."""
    if len(text) > MOST:
        raise ValueError(f"has at most {MOST} characters")
    found: dict[str, set[str]] = {}
    for part in text.split():
        metadata = _METADATA.fullmatch(part)
        if metadata is None:
            continue  # of a function that is not known: to be passed over, as the specification has it
        function = metadata["function"]
        digest = _decoded(metadata["digest"])
        if digest is None or len(digest) != hashlib.new(function).digest_size:
            raise ValueError(f"{part[:100]!r} is no checksum by {function}")
        found.setdefault(function, set()).add(digest.hex())
    if not found:
        raise ValueError("names no checksum by sha256, sha384 or sha512")
    strongest = max(found, key=_STRENGTH.index)
    return Integrity(strongest, frozenset(found[strongest]))


def sri_of(sha256: str) -> str:
    """Return a SHA-256 in hexadecimal as `checksum.sri` has it."""
    return f"sha256-{base64.b64encode(bytes.fromhex(sha256)).decode('ascii')}"


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return None

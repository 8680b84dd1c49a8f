"""What upstreams publish beside an archive: SHA-256 sums, in the forms in which they are written. Pure.

`sha256sum` of GNU coreutils (`<digest>  <name>`, `<digest> *<name>`), that of BSD (`SHA256 (<name>) =
<digest>`), either of them within a signed message, and a digest alone in a file of the archive's own.
"""

import re

_GNU = re.compile(r"([0-9A-Fa-f]{64})[ \t]+[*]?(\S.*?)\s*")
_BSD = re.compile(r"SHA256 ?\((.+)\) ?= ?([0-9A-Fa-f]{64})\s*")
_ALONE = re.compile(r"\s*([0-9A-Fa-f]{64})\s*")
_FRAGMENT = re.compile(r"#(?:.*&)?sha256[=:]([0-9A-Fa-f]{64})(?:&|$)")


def sum_in(text: str, file: str) -> str | None:
    """Return the digest that `text` gives of `file`, in lower case; None where it gives none. One that is
    alone is taken for it."""
    for line in text.splitlines():
        if found := _GNU.fullmatch(line):
            digest, name = found[1], found[2]
        elif found := _BSD.fullmatch(line):
            digest, name = found[2], found[1]
        else:
            continue
        if name.rpartition("/")[2] == file:
            return digest.lower()
    alone = _ALONE.fullmatch(text)
    return alone[1].lower() if alone else None


def sum_told(url: str) -> str | None:
    """Return the digest that a URL itself tells of its file (`#sha256=…`, as PyPI's index has it)."""
    found = _FRAGMENT.search(url)
    return found[1].lower() if found else None


def places_of_sums(url: str) -> tuple[str, ...]:
    """Return where the sum of the archive at `url` may be published, what is looked for first before."""
    folder, _, file = url.rpartition("/")
    stem = re.sub(r"\.(?:tar\.[A-Za-z0-9]+|tgz|zip)$", "", file)
    named = (f"{url}.sha256sum", f"{url}.sha256", f"{folder}/{stem}.sha256sum")
    listed = (f"{folder}/SHA256SUMS", f"{folder}/sha256sums.asc")
    return tuple(dict.fromkeys((*named, *listed)))

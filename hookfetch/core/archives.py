"""Is a file what a source of its kind downloads, by its first bytes? Pure.

A server that has no such file may send a page that says so, with 200.
"""

import re

HEAD = 512  # bytes that are looked at

_TAR = (*(b"\x1f\x8b", b"\xfd7zXZ\x00", b"BZh", b"\x28\xb5\x2f\xfd", b"LZIP", b"\x5d\x00\x00", b"\x1f\x9d"),)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_DEB = (b"!<arch>\n",)
_BY_SUFFIX = {
    **dict.fromkeys((".gz", ".tgz", ".crate"), (b"\x1f\x8b",)),
    **dict.fromkeys((".xz", ".txz"), (b"\xfd7zXZ\x00",)),
    **dict.fromkeys((".bz2", ".tbz2", ".tbz"), (b"BZh",)),
    **dict.fromkeys((".zst", ".tzst"), (b"\x28\xb5\x2f\xfd",)),
    **dict.fromkeys((".zip", ".whl", ".jar", ".nupkg"), _ZIP),
    ".deb": _DEB,
}
_PAGES = (".html", ".htm", ".xhtml", ".xml", ".svg")
_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body|title)\b", re.I | re.S
)


def mistaken(kind: str, file: str, head: bytes) -> str | None:
    """Return why a downloaded file is not what a source of `kind` wants, None where nothing says so. `file`
    is its name, `head` are its first `HEAD` bytes."""
    name = file.casefold()
    if not head:
        return "is empty"
    if _PAGE.match(head.removeprefix(b"\xef\xbb\xbf")) and not name.endswith(_PAGES):
        return "is a page of HTML"
    if kind == "tar":
        return None if head.startswith(_TAR) or head[257:262] == b"ustar" else "is no tar archive"
    if kind == "zip":
        return None if head.startswith(_ZIP) else "is no zip archive"
    if kind == "deb":
        return None if head.startswith(_DEB) else "is no Debian package"
    magic = _BY_SUFFIX.get(f".{name.rpartition('.')[2]}")
    return None if magic is None or head.startswith(magic) else "is not of the kind that its name says"

"""The refs in a git server's answer: protocol v2's `ls-refs` (gitprotocol-v2(5)) and the
advertisement of v0 and v1 (gitprotocol-pack(5)). Pure: packets in, refs out; nothing is asked."""

import re
from typing import Literal

from hookfetch.core.errors import Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.upstreams.pktline import Mark, Packet

MAX_REFS = 500_000
MAX_NAME = 4096  # bytes; what a file system allows for a path
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_NAME = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]")  # git-check-ref-format(1)
_SERVICE = b"# service=git-upload-pack"
_PEELED = "^{}"


class RefCollector:
    """Gathers the refs below `prefixes`; Temporary for lines that are none, or for too many of them.

    A name that is not UTF-8, or longer than MAX_NAME, cannot be followed and is left out.
    """

    def __init__(self, prefixes: tuple[str, ...]) -> None:
        self._prefixes = prefixes
        self._refs: dict[str, RemoteRef] = {}

    @property
    def refs(self) -> dict[str, RemoteRef]:
        """Return what was gathered so far."""
        return self._refs

    def add(self, oid: str, name: bytes, peeled: str | None = None) -> None:
        """Take one ref."""
        if _OID.fullmatch(oid) is None or (peeled is not None and _OID.fullmatch(peeled) is None):
            raise Temporary(f"the answer has {oid[:80]!r} for an object id")
        if _NO_NAME.search(name) is not None or not name:
            raise Temporary(f"the answer has {_text(name[:80])!r} for a ref's name")
        known = self._name(name)
        if known is None:
            return
        self._refs[known] = RemoteRef(oid=oid, peeled=peeled)
        if len(self._refs) > MAX_REFS:
            raise Temporary(f"the repository has more than {MAX_REFS} refs")

    def peel(self, oid: str, name: bytes) -> None:
        """Take what an annotated tag that was already added is a tag of."""
        tag = self._refs.get(name.decode("utf-8", "replace"))
        if tag is not None:
            self.add(tag.oid, name, oid)

    def _name(self, name: bytes) -> str | None:
        if len(name) > MAX_NAME:
            return None
        try:
            text = name.decode()
        except UnicodeDecodeError:
            return None
        return text if text.startswith(self._prefixes) else None


class LsRefsAnswer:
    """The answer to `ls-refs`: one ref a packet, then a flush."""

    def __init__(self, prefixes: tuple[str, ...]) -> None:
        self._collector = RefCollector(prefixes)
        self._ended = False

    def take(self, packet: Packet) -> None:
        """Take the next packet; Temporary when it does not belong into such an answer."""
        if packet is Mark.FLUSH and not self._ended:
            self._ended = True
            return
        if self._ended or isinstance(packet, Mark):
            raise Temporary("the answer is no list of refs")
        line = _line(packet)
        oid, _, rest = line.partition(b" ")
        name, *attributes = rest.split(b" ")
        if oid == b"unborn":
            return
        peeled = next((a[7:] for a in attributes if a.startswith(b"peeled:")), None)
        self._collector.add(_text(oid), name, None if peeled is None else _text(peeled))

    def finish(self) -> dict[str, RemoteRef]:
        """Return the refs; Temporary when the answer is not complete."""
        if not self._ended:
            raise Temporary("the answer ends before the last ref")
        return self._collector.refs


class Advertisement:
    """The answer to `info/refs`: v2's capabilities, or in v0 and v1 every ref there is.

    `dialect` and `object_format` (v2's) are known once the answer is complete.
    """

    def __init__(self, prefixes: tuple[str, ...]) -> None:
        self._collector = RefCollector(prefixes)
        self._lines = 0
        self._flushes_to_come = 1
        self._v2 = False
        self._lists_refs = False
        self.object_format = "sha1"

    @property
    def dialect(self) -> Literal["v2", "v0"]:
        """Return what the server speaks."""
        return "v2" if self._v2 else "v0"

    def take(self, packet: Packet) -> None:
        """Take the next packet; Temporary when it does not belong into such an answer."""
        if self._flushes_to_come == 0 or (isinstance(packet, Mark) and packet is not Mark.FLUSH):
            raise Temporary("the answer is no advertisement of refs")
        if isinstance(packet, Mark):
            self._flushes_to_come -= 1
            return
        line = _line(packet)
        self._lines += 1
        if self._lines == 1 and line == _SERVICE:
            self._flushes_to_come += 1  # the service's line has one of its own
            return
        if line in (b"version 2", b"version 1"):
            self._v2 = line == b"version 2"
            return
        if self._v2:
            self._lists_refs |= line.partition(b"=")[0] == b"ls-refs"
            if line == b"object-format=sha256":
                self.object_format = "sha256"
        elif not line.startswith(b"shallow "):
            self._ref(line.partition(b"\0")[0])

    def _ref(self, line: bytes) -> None:
        oid, _, name = line.partition(b" ")
        if name.endswith(_PEELED.encode()):
            if not name.startswith(b"capabilities"):
                self._collector.peel(_text(oid), name.removesuffix(_PEELED.encode()))
            return
        self._collector.add(_text(oid), name)

    def finish(self) -> dict[str, RemoteRef]:
        """Return the refs (none in v2); Temporary when the answer is not complete."""
        if self._flushes_to_come:
            raise Temporary("the answer ends before the last ref")
        if self._v2 and not self._lists_refs:
            raise Temporary("the server speaks git's protocol v2 but cannot list refs")
        return self._collector.refs


def _line(packet: bytes) -> bytes:
    if packet.startswith(b"ERR "):
        said = " ".join(_text(packet[4:]).split())
        raise Temporary(f"the server says: {''.join(filter(str.isprintable, said))[:200]}")
    return packet.removesuffix(b"\n")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")

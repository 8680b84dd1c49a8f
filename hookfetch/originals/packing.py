"""Pack the objects of mirrors that many small fetches have scattered. What no ref names is kept, too."""

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from hookfetch.originals.cleaning import clean
from hookfetch.originals.folder import Folder, Original
from hookfetch.originals.locks import Lock

_log = structlog.get_logger(__name__)

PACKS = 20  # a mirror with more is packed
LOOSE = 2000  # objects outside of packs: the same
WITHIN = 1800.0  # seconds for one mirror
_POLL = 0.1
_SPREAD = 256  # folders that loose objects are spread over: gitrepository-layout(5)
_SMALL = ("pack.threads=1", "pack.windowMemory=128m", "repack.writeBitmaps=false", "gc.pruneExpire=never")


def pack_scattered(root: Folder, stop: threading.Event) -> None:
    """Pack each mirror that is scattered and that nobody uses now; jobs that begin meanwhile go on beside.
    Ends soon after `stop`. Blocks."""
    for _, original in root:
        if stop.is_set():
            return
        if _is_scattered(original.content):
            pack(original, stop)


def pack(original: Original, stop: threading.Event) -> None:
    """Pack a mirror unless somebody uses it. Blocks."""
    pin = Lock.try_now(original.pin, shared=False)
    if pin is None:
        return  # it is busy: another time
    with pin:
        if not original.content.is_dir():
            return
        clean(original.content)
        pin.share()  # so that jobs begin, and nobody deletes it
        reason = _repack(original.content, stop)
        if reason is not None:
            _log.warning("mirror not packed", upstream=original.about()[1], reason=reason)


def _repack(mirror: Path, stop: threading.Event) -> str | None:
    """Return why it was not done; None when it was, or was stopped."""
    options = [part for setting in _SMALL for part in ("-c", setting)]
    polite = ["nice", "-n", "19", "timeout", f"{WITHIN:g}"]  # and it ends by itself, should this process die
    process = subprocess.Popen(
        [*polite, "git", "-C", str(mirror), *options, "repack", "-a", "-d", "-k", "-q"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    try:
        while process.poll() is None and not stop.is_set():
            time.sleep(_POLL)
    finally:
        if process.poll() is None:
            process.terminate()  # `timeout` passes it on, and git removes what it has begun
        _, said = process.communicate()
    if process.returncode == 0 or stop.is_set():
        return None
    return " ".join(said.split()) or f"git repack ended with {process.returncode}"


def _is_scattered(mirror: Path) -> bool:
    objects = mirror / "objects"
    packs = sum(1 for name in _names(objects / "pack") if name.endswith(".pack"))
    # A sample, as git-gc(1) takes it.
    return packs > PACKS or sum(1 for _ in _names(objects / "17")) * _SPREAD > LOOSE


def _names(folder: Path) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            yield from (entry.name for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return

"""Remove what a process that died in the middle has left in an original, in the way of the next one."""

import os
import re
import shutil
from pathlib import Path

_COMMIT = re.compile(r"[0-9a-f]{40}")
# What dies in the middle leaves: unfinished packs and objects of git, BuildStream's temporary directories.
_UNFINISHED = re.compile(
    r"tmp_(pack|idx|rev|obj|object|objdir|bitmap|mtimes)[-_].+|\.tmp-[0-9]+-pack-.+|tmp[a-z0-9_]{8}"
)


def clean(content: Path) -> None:
    """Remove locks and unfinished files from `content`, which nobody else changes now. Blocks."""
    _keep_ends_of_history(content)
    for folder, directories, files in os.walk(content):
        place = Path(folder)
        refs = (
            "refs" in place.relative_to(content).parts
        )  # where everything but a lock is a branch or a tag, whatever its name
        for name in [name for name in directories if not refs and _UNFINISHED.fullmatch(name)]:
            directories.remove(name)
            shutil.rmtree(place / name, ignore_errors=True)  # or a link, which stays
        for name in files:
            unfinished = not refs and _UNFINISHED.fullmatch(name)
            locked = name.endswith(".lock") and (refs or "objects" in directories)  # else it may be Cargo's
            if unfinished or locked:
                (place / name).unlink(missing_ok=True)


def _keep_ends_of_history(mirror: Path) -> None:
    """Note where a shallow fetch has cut history, whose pack may have come although it did not live to note
    that itself. One end too many does no harm: nothing is there yet, or history is fetched anew."""
    lock, shallow = mirror / "shallow.lock", mirror / "shallow"
    try:
        ends = lock.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return
    ends = [end for end in ends if _COMMIT.fullmatch(end)]
    if shallow.exists():
        ends += shallow.read_text(encoding="ascii").splitlines()
    if ends:
        lock.write_text("".join(f"{end}\n" for end in sorted(set(ends))), encoding="ascii")
        lock.replace(shallow)

"""Take away the FUSE mounts that a killed storage daemon leaves below a worker's directory."""

import re
import shutil
import subprocess
from pathlib import Path

_MOUNTS = Path("/proc/self/mounts")
_ESCAPE = re.compile(r"\\([0-7]{3})")
_WITHIN = 10.0  # seconds a mount


def unmount_below(directory: Path) -> None:
    """Detach every mount below `directory`; OSError when one cannot be. Blocks.

    Without its daemon each access to such a mount fails, also the attempt to remove it.
    """
    places = [place for place in _mounted() if Path(place).is_relative_to(directory.absolute())]
    for place in sorted(places, reverse=True):  # inner ones first
        done = subprocess.run(
            [*_unmount_command(), place],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_WITHIN,
            check=False,
        )
        if done.returncode:
            raise OSError(f"{place} cannot be unmounted: {' '.join(done.stderr.split())}")


def _mounted() -> list[str]:
    lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    # Fields as in fstab(5): blanks and backslashes in a path are octal escapes.
    return [_ESCAPE.sub(lambda found: chr(int(found[1], 8)), line.split()[1]) for line in lines]


def _unmount_command() -> list[str]:
    """Return the command that may unmount: fuse's own helper without privileges, else `umount`."""
    for helper in ("fusermount3", "fusermount"):
        if shutil.which(helper):
            return [helper, "-u", "-z"]
    return ["umount", "-l"]

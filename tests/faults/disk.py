"""A small file system of its own for a folder, so that a disk can be full."""

import asyncio
import errno
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

_CHUNK = 1024 * 1024
_BLOCK = 4096  # bytes: what a tmpfs gives at least
_AGAIN = 0.02  # seconds between two looks for space that came free


class MountRefused(Exception):
    """Nobody may mount here."""


class SmallDisk:
    """A tmpfs at `folder` while this is entered; what it held is in the folder afterwards. MountRefused on
    entering where we have no right to mount."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._filling = asyncio.Lock()

    def __enter__(self) -> "SmallDisk":
        self._folder.mkdir(parents=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={self._size},mode=700", "none", str(self._folder)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            raise MountRefused(done.stderr.partition("\n")[0])
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        copy = self._folder.with_name(f"{self._folder.name}.copy")
        try:
            shutil.copytree(self._folder, copy, symlinks=True)
        finally:
            if subprocess.run(["umount", self._folder], check=False).returncode:
                # In use by what should have ended: it goes when its last user does.
                subprocess.run(["umount", "--lazy", self._folder], check=True)
        self._folder.rmdir()
        copy.rename(self._folder)

    async def fill(self, seconds: float) -> None:
        """Leave no room for so long, also where some is made meanwhile, then give all back."""
        ballast = self._folder / "ballast"
        loop = asyncio.get_running_loop()
        async with self._filling:
            try:
                with ballast.open("wb", buffering=0) as file:
                    until = loop.time() + seconds
                    while loop.time() < until:
                        for size in (_CHUNK, _BLOCK):
                            while _written(file.fileno(), size):
                                pass
                        await asyncio.sleep(_AGAIN)
            finally:
                ballast.unlink(missing_ok=True)


def _written(fd: int, size: int) -> bool:
    try:
        return os.write(fd, bytes(size)) > 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return False

"""Who has a store open: a lock beside the file, which the kernel gives back whenever its holder ends."""

import fcntl
import os
from pathlib import Path

from hookfetch.core.errors import Temporary


class Hold:
    """A hold on the store at `path`. Any number of processes share it; one that is to replace the file
    needs it `alone`. Temporary when that cannot be had now."""

    def __init__(self, path: Path, *, alone: bool = False) -> None:
        self._descriptor = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            reason = "a running hookfetch has the store open" if alone else "the store is being restored"
            raise Temporary(f"{path}: {reason}") from None

    def release(self) -> None:
        """Give it back."""
        os.close(self._descriptor)

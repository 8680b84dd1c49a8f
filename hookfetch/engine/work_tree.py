"""A worker's own work tree of a project's clone: what a job reads stays as it was loaded, whatever is
pushed meanwhile.
"""

import os
import shutil
import subprocess
from pathlib import Path

from hookfetch.core.errors import Temporary

_CHECK_OUT_WITHIN = 300.0  # seconds


class WorkTree:
    """The tree below `folder`; nobody else writes there."""

    def __init__(self, clone: Path, folder: Path) -> None:
        self.directory = folder / "project"
        self._clone = clone
        self._index = folder / "project.index"

    def check_out(self, revision: str) -> None:
        """Make the tree that of the commit `revision`, which the clone has; Temporary when git fails.

        Files that did not change are left as they are. Nothing of the repository runs: its hooks are the
        clone's own, which has none.
        """
        if not self._index.exists():  # of an earlier worker that was killed before it had one
            shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        Path(f"{self._index}.lock").unlink(missing_ok=True)  # of one that was killed while it had it
        done = subprocess.run(
            [
                "git",
                f"--git-dir={self._clone}",
                f"--work-tree={self.directory}",
                "read-tree",
                "--reset",
                "-u",
                revision,
            ],
            cwd=self.directory,
            env={**os.environ, "GIT_INDEX_FILE": str(self._index)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_CHECK_OUT_WITHIN,
            check=False,
        )
        if done.returncode:
            raise Temporary(f"{revision} cannot be checked out: {' '.join(done.stderr.split())[:300]}")

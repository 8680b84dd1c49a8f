"""An unmodified BuildStream client, on a machine of its own as far as its files go."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.engine.lab import Lab

# Stands in for a sandbox on machines without bubblewrap: the client refuses to start without
# one, and uses none to fetch.
NO_SANDBOX = '#!/bin/sh\n[ "$1" = --capabilities ] && echo platform:OSFamily=linux\n'
_PLACES = {"sourcedir": "sources", "cachedir": "cache", "logdir": "logs"}


def bst(lab: Lab, source_cache: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run a command with the caches of `lab`'s one client, and `source_cache` to pull from."""
    return bst_with(lab, [{"url": source_cache, "type": "all"}], *arguments)


def bst_with(
    lab: Lab, servers: Sequence[Mapping[str, object]], *arguments: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command with source caches as the user's configuration has them."""
    caches = {"override-project-caches": True, "servers": list(servers)}
    return bst_as(lab, lab.root / "client", {"source-caches": caches}, *arguments)


def bst_as(
    lab: Lab,
    home: Path,
    configuration: Mapping[str, object],
    *arguments: str,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command as a client that has all it has below `home`, this in its user configuration, and
    more in its `environment`."""
    (home / "bin").mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if shutil.which("bwrap") is None:
        stand_in = home / "bin/buildbox-run"
        stand_in.write_text(NO_SANDBOX)
        stand_in.chmod(0o755)
        path = f"{home / 'bin'}:{path}"
    places = {key: str(home / name) for key, name in _PLACES.items()}
    (home / "buildstream.conf").write_text(json.dumps({**places, **configuration}))
    command = ["bst", "--no-colors", "--no-interactive", "--config", str(home / "buildstream.conf")]
    return subprocess.run(
        [*command, *arguments],
        cwd=lab.project,
        env={**(environment or {}), "PATH": path, "HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

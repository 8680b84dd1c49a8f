"""An unmodified `bst` over the demo's lab, as a machine of its own as far as its files go."""

import asyncio
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookfetch.demo.lab import Lab
from tests.engine.client import NO_SANDBOX

_WITHIN = 120.0


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command of `bst` ended, after so many seconds; `told` is its log, for a failure."""

    code: int
    told: str
    seconds: float

    @property
    def pulled(self) -> int:
        """Return how many sources came from a cache."""
        return len(re.findall("Pulled source", self.told))


class BstClient:
    """A client with folders of its own, which are empty at first, and its own checkout of the project as it
    is now; `servers`, `retries` and `more` as in BuildStream's user configuration."""

    def __init__(
        self,
        lab: Lab,
        servers: Sequence[Mapping[str, object]],
        name: str = "client",
        *,
        retries: int = 2,
        more: Mapping[str, object] | None = None,
    ) -> None:
        self.home = lab.root / name
        (self.home / "bin").mkdir(parents=True)
        self.project = self.home / "project"
        shutil.copytree(lab.root / "project", self.project)
        self._configure(servers, retries, more or {})

    def _configure(
        self, servers: Sequence[Mapping[str, object]], retries: int, more: Mapping[str, object]
    ) -> None:
        settings = {
            **{key: str(self.home / key) for key in ("sourcedir", "cachedir", "logdir")},
            "scheduler": {"network-retries": retries},
            "source-caches": {"override-project-caches": True, "servers": list(servers)},
        }
        (self.home / "buildstream.conf").write_text(json.dumps({**settings, **more}))

    async def fetch(self, *elements: str) -> Ran:
        """Run `bst source fetch`."""
        return await self.run("source", "fetch", *elements)

    async def run(self, *arguments: str) -> Ran:
        """Run a command to its end."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "buildstream", "--no-colors", "--no-interactive"),
            *("--config", str(self.home / "buildstream.conf"), *arguments),
            cwd=self.project,
            env={"PATH": self._path(), "HOME": str(self.home)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(_WITHIN):
                told, _ = await process.communicate()
        except BaseException:
            process.kill()
            await process.wait()
            raise
        assert process.returncode is not None
        return Ran(process.returncode, told.decode(), time.monotonic() - began)

    async def contents(self, element: str, file: str) -> str:
        """Return what a file of an element's fetched sources holds."""
        place = self.home / "staged" / element
        ran = await self.run("source", "checkout", "--deps", "none", "--directory", str(place), element)
        assert ran.code == 0, ran.told
        [found] = place.rglob(file)
        return found.read_text()

    def forget(self) -> None:
        """Empty its caches."""
        for folder in ("sourcedir", "cachedir"):
            shutil.rmtree(self.home / folder, ignore_errors=True)

    def _path(self) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        if shutil.which("bwrap", path=path) is not None:
            return path
        stand_in = self.home / "bin/buildbox-run"
        stand_in.write_text(NO_SANDBOX)
        stand_in.chmod(0o755)
        return f"{stand_in.parent}:{path}"


def as_index(lab: Lab) -> list[dict[str, object]]:
    """Return servers of which hookfetch holds the names and the lab's cache the blobs."""
    return [{"url": f"http://{lab.grpc}", "type": "index"}, {"url": lab.cache.url, "type": "storage"}]


def as_only_server(lab: Lab) -> list[dict[str, object]]:
    """Return hookfetch for both."""
    return [{"url": f"http://{lab.grpc}", "type": "all"}]

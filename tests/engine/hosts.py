"""Hosts that nobody has looked at yet, and elements that follow what is there."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from hookfetch.core.errors import ElementError
from hookfetch.demo.repositories import Repository, create_repository
from tests.engine.door import Door
from tests.engine.lab import Bench


@dataclass
class Host:
    """A host of its own: what is below `root`, behind a door."""

    root: Path
    door: Door

    def repository(self, name: str) -> Repository:
        repository = create_repository(self.root, name)
        repository.commit({"README": name}, "first")
        return repository


@dataclass
class Followed(Host):
    """One whose repositories elements of an engine's project follow."""

    bench: Bench

    def element(self, name: str, *follows: dict[str, object], url: str | None = None) -> None:
        """Write `<name>.bst`, of kind git_repo, for the repository of that name."""
        address = url or f"{self.door.url}/{name}.git"
        sources = [
            {"kind": "git_repo", "url": address, "track": "main", **each, "directory": f"d{number}"}
            for number, each in enumerate(follows or ({},))
        ]
        self.bench.lab.element(f"{name}.bst", *sources)

    async def track(self, name: str) -> list[object]:
        """Return the new refs."""
        done = await self.bench.run(f"{name}.bst")
        assert done.cached
        return [each.ref for each in done.refs]

    async def fails(self, name: str) -> str:
        with pytest.raises(ElementError) as failure:
            await self.bench.run(f"{name}.bst")
        return str(failure.value)

    async def known(self, name: str = "known") -> Repository:
        """Have an element of `name` tracked, and the greeting of this host known. Commits of other
        repositories of that name are in the cache already, and are not fetched."""
        repository = self.repository(name)
        self.element(name)
        await self.track(name)
        self.door.new()
        return repository

"""What the source caches have under BuildStream's names, and what they lack made again by its recipe.

Where a cache is also of projects that a caller may not read, it is told of what its own know alone.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import structlog

from hookfetch.core.errors import HookfetchError
from hookfetch.server.grpc.assets.lookups import CacheLookups, Kind
from hookfetch.server.grpc.assets.recipes import Recipes

_log = structlog.get_logger(__name__)

LOOK_UP_SECONDS = 60.0  # a tree of 100,000 files takes a few


class Cached:
    """The source cache of each project (`caches`, by project), and the `recipes` of their coordinators."""

    def __init__(self, caches: Mapping[str, CacheLookups], recipes: Recipes) -> None:
        self._caches = caches
        self._recipes = recipes
        self._owners: dict[CacheLookups, set[str]] = {}
        for project, cache in caches.items():
            self._owners.setdefault(cache, set()).add(_without_branch(project))

    async def found(self, kind: Kind, name: str, projects: Collection[str]) -> Any:
        """Return the digest of what one of `projects` has under a name, whole in its storage; None where none
        has it, or can have it made."""
        digest, away = await self._cached(kind, name, projects)
        # Behind a cache that is not there nothing can be had, made again or not.
        reachable = frozenset(projects) - away
        if digest is not None or not reachable or not await self._recipes.make(reachable, name):
            return digest
        digest, _ = await self._cached(kind, name, reachable)
        if digest is None:
            _log.warning("made, but not under this name", name=name)
        return digest

    async def _cached(self, kind: Kind, name: str, projects: Collection[str]) -> tuple[Any, frozenset[str]]:
        """Return what the first cache that has it has under a name, and the projects whose cache is away."""
        away = set[str]()
        caches: dict[CacheLookups, set[str]] = {}
        for project in sorted(projects):
            if project in self._caches:
                caches.setdefault(self._caches[project], set()).add(project)
            else:
                away.add(project)
        for cache, mine in caches.items():
            try:
                async with asyncio.timeout(LOOK_UP_SECONDS):
                    digest = await cache.find(kind, name)
            except (HookfetchError, TimeoutError) as error:
                _log.warning("source cache not asked", projects=sorted(mine), reason=str(error))
                away |= mine
                continue
            if digest is not None and (self._owns(cache, mine) or await self._recipes.knows(mine, name)):
                return digest, frozenset(away)
        return None, frozenset(away)

    def _owns(self, cache: CacheLookups, projects: Collection[str]) -> bool:
        return self._owners[cache] <= set(map(_without_branch, projects))


def _without_branch(project: str) -> str:
    # Branches of one project are no secrets to each other.
    return project.partition("@")[0]

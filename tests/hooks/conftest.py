"""Registrations at stand-ins, each forge in turn."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from hookfetch.forges.api import account_of, hook_api
from hookfetch.forges.api.client import ApiClient
from hookfetch.forges.api.values import Target
from hookfetch.hooks.installing import Installer, Outcome
from hookfetch.hooks.memory import Memory
from hookfetch.hooks.registration import Registration
from tests.forges.api.standin import TOKEN, StandIn, stand_in

REPOSITORY = Target("repository", "owner/name")


@dataclass
class Lab:
    """A stand-in with an empty repository, and a hook that is to be registered there."""

    there: StandIn
    registration: Registration
    session: aiohttp.ClientSession
    memory: Path

    def installer(self, *, dry_run: bool = False) -> Installer:
        return Installer(self.registration, Memory.of(self.memory), dry_run=dry_run)

    async def install(self, *, dry_run: bool = False) -> list[Outcome]:
        return [outcome async for outcome in self.installer(dry_run=dry_run).install()]

    async def remove(self, *, dry_run: bool = False) -> list[Outcome]:
        return [outcome async for outcome in self.installer(dry_run=dry_run).remove()]


OpenLab = Callable[..., Awaitable[Lab]]


@pytest.fixture
async def open_lab(tmp_path: Path) -> AsyncIterator[OpenLab]:
    async with AsyncExitStack() as stack:

        async def open_one(
            forge: str, *, url: str = "https://hooks.test/hooks/h", targets: Sequence[Target] = (REPOSITORY,)
        ) -> Lab:
            there = await stack.enter_async_context(stand_in(forge))
            for target in targets:
                there.hooks[target.path] = []
            session = await stack.enter_async_context(aiohttp.ClientSession())
            account = account_of(forge, there.address, TOKEN)
            registration = Registration(
                name="h",
                url=url,
                api=hook_api(forge, ApiClient(session, account, timeout=5.0, patience=1.0)),
                targets=targets,
                secret_files=(tmp_path / "first.secret", tmp_path / "second.secret"),
            )
            return Lab(there, registration, session, tmp_path / "memory" / "h.json")

        yield open_one

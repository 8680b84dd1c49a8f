"""Hooks at the forges: whom to ask, and what arrived here."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp

from hookfetch.bootstrap.receiving import book_file
from hookfetch.config import Config, HookConfig, read_secret
from hookfetch.core.errors import ConfigurationError
from hookfetch.forges.api import account_of, hook_api
from hookfetch.forges.api.client import ApiClient
from hookfetch.forges.api.values import Target
from hookfetch.hooks.checking import Checker
from hookfetch.hooks.registration import Arrived, KnownBy, NothingKnown, Registration
from hookfetch.spool.book import DeliveryBook


@asynccontextmanager
async def open_registrations(config: Config, patience: float) -> AsyncIterator[Sequence[Registration]]:
    """Yield the hooks that are to be registered at a forge (`hook.api`); `patience` is the longest wait, in
    seconds, for a rate limit. ConfigurationError when a token or an address is missing."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield [_registration(config, hook, session, patience) for hook in config.hook if hook.api]


@asynccontextmanager
async def open_arrived(config: Config) -> AsyncIterator[Arrived]:
    """Yield the record of the ingress with this `state_dir`; Temporary when it cannot be read."""
    if not book_file(config).exists():
        yield NothingKnown()
        return
    book = DeliveryBook(book_file(config))
    await book.open()
    try:
        yield KnownBy(book.find)
    finally:
        await book.close()


def checker_of(config: Config, arrived: Arrived, *, tests: bool = False) -> Checker:
    """Return what looks at the hooks; with `tests` it sends one to a hook that the forge switched off."""
    return Checker(arrived, time.time, config.hook_check.concurrency, tests=tests)


def _registration(
    config: Config, hook: HookConfig, session: aiohttp.ClientSession, patience: float
) -> Registration:
    assert hook.api is not None
    public = config.ingress.public_url
    if public is None:
        raise ConfigurationError("ingress.public_url: is needed, for a forge is told where to post to")
    token = read_secret(hook.api.token_file, f"hook {hook.name}: api.token_file")
    try:
        account = account_of(hook.forge, hook.api.url, token)
    except ConfigurationError as error:
        raise ConfigurationError(f"hook {hook.name}: {error}") from error
    client = ApiClient(session, account, timeout=config.hook_check.timeout, patience=patience)
    api = hook_api(hook.forge, client)
    targets = [
        *(Target("repository", path) for path in hook.api.repositories),
        *(Target("group", path) for path in hook.api.groups),
    ]
    if not targets:
        raise ConfigurationError(f"hook {hook.name}: api: name repositories or groups to register it with")
    for target in targets:
        if target.kind not in api.kinds:
            raise ConfigurationError(f"hook {hook.name}: api.groups: {hook.forge} has none here")
    return Registration(
        name=hook.name,
        url=f"{public}/hooks/{hook.name}",
        api=api,
        targets=targets,
        secret_files=hook.secret_files,
    )

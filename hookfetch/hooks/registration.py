"""A configured hook and the forge it is to be registered with."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hookfetch.forges.api.values import HookApi, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """`url` is where the forge is to post, `secret_files` what the ingress accepts, the last one
    that exists being today's."""

    name: str
    url: str
    api: HookApi
    targets: Sequence[Target]
    secret_files: Sequence[Path]


class Arrived(Protocol):
    """The ingress's record of deliveries."""

    async def known(self, deliveries: Collection[str]) -> Collection[str]:
        """Return those of `deliveries` (`<hook>/<the forge's id>`) that were accepted here."""


class NothingKnown:
    """Stands where there is no record: what a forge saw fail is then repeated, and a delivery that did
    arrive is dropped as a repeat."""

    async def known(self, deliveries: Collection[str]) -> Collection[str]:  # noqa: ARG002 - the contract's
        """Return nothing."""
        return ()


class KnownBy:
    """Arrived is what `find` finds: it returns a delivery's record by its id, or None."""

    def __init__(self, find: Callable[[str], Awaitable[object | None]]) -> None:
        self._find = find

    async def known(self, deliveries: Collection[str]) -> Collection[str]:
        """Return those with a record."""
        return [delivery for delivery in deliveries if await self._find(delivery) is not None]

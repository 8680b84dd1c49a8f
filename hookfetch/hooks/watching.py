"""Checks our hooks again and again while the service runs; says what changed, once."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

import structlog

from hookfetch.core.errors import HookfetchError
from hookfetch.forges.api.values import Target
from hookfetch.hooks.checking import Checker
from hookfetch.hooks.judging import Finding, key, news
from hookfetch.hooks.registration import Registration

_JITTER = 0.2  # of the interval: many installations do not ask in the same second
_FIRST = 30.0  # seconds at most until the first check

log = structlog.get_logger(__name__)

Open = Callable[[], AbstractAsyncContextManager[Sequence[Registration]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HookStatus:
    """The last check of one hook: when (Unix seconds), and what it found."""

    checked_at: float
    findings: tuple[Finding, ...]


class HookWatch:
    """One loop a hook, so that a forge that hangs holds up no other. `interval` is in seconds."""

    def __init__(
        self, open_registrations: Open, checker: Checker, interval: float, clock: Callable[[], float]
    ) -> None:
        self._open = open_registrations
        self._checker = checker
        self._interval = interval
        self._clock = clock
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._status: dict[str, HookStatus] = {}
        self._known: dict[str, dict[tuple[str, Target, str], Finding]] = {}

    def status(self) -> Mapping[str, HookStatus]:
        """Return the last check of each hook by its name."""
        return dict(self._status)

    async def start(self) -> None:
        """Start to check, each hook after a short while of its own."""
        registrations = await self._stack.enter_async_context(self._open())
        self._tasks = [
            asyncio.create_task(self._follow(registration), name=f"hook {registration.name}")
            for registration in registrations
        ]

    async def stop(self) -> None:
        """Stop; a check under way is broken off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _follow(self, registration: Registration) -> None:
        wait = random.uniform(0.0, min(_FIRST, self._interval))  # noqa: S311 - spreads load, guards nothing
        while True:
            await asyncio.sleep(wait)
            await self._check(registration)
            wait = self._interval * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - the same

    async def _check(self, registration: Registration) -> None:
        try:
            findings = await self._checker.check(registration)
        except HookfetchError as error:
            log.warning("hook_check_failed", hook=registration.name, error=str(error))
            return
        except Exception:  # a bug of ours: say so, go on
            log.exception("hook_check_bug", hook=registration.name)
            return
        self._tell(registration.name, findings)
        self._status[registration.name] = HookStatus(checked_at=self._clock(), findings=tuple(findings))

    def _tell(self, hook: str, findings: Sequence[Finding]) -> None:
        wrong = [finding for finding in findings if finding.wrong]
        before = self._known.get(hook, {})
        for finding in news(before, wrong):
            log.warning("hook_wrong", **_fields(finding))
        after = {key(finding): finding for finding in wrong}
        for gone in before.keys() - after.keys():
            log.info("hook_right_again", hook=hook, target=str(gone[1]), code=gone[2])
        for finding in findings:
            if not finding.wrong:
                log.info("hook_seen_to", **_fields(finding))
        if hook not in self._known and not wrong:
            log.info("hook_right", hook=hook)
        self._known[hook] = after


def _fields(finding: Finding) -> dict[str, str]:
    return {
        "hook": finding.hook,
        "target": str(finding.target),
        "code": finding.code,
        "reason": finding.text,
    }

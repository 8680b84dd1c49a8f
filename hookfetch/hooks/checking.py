"""Looks at our hooks at one forge, and has repeated what never arrived."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from hookfetch.core.errors import HookfetchError
from hookfetch.forges.api.values import FoundHook, Sent, Target
from hookfetch.hooks.judging import Finding, Undelivered, failing, judge, ours, undelivered
from hookfetch.hooks.registration import Arrived, Registration


class Checker:
    """Checks the hooks of registrations; at most `concurrency` targets of one at once.

    `clock` returns Unix seconds. With `tests`, a hook that the forge switched off is sent a test
    delivery: one that succeeds switches it on again.
    """

    def __init__(
        self, arrived: Arrived, clock: Callable[[], float], concurrency: int, *, tests: bool = False
    ) -> None:
        self._arrived = arrived
        self._clock = clock
        self._concurrency = concurrency
        self._tests = tests

    async def check(self, registration: Registration) -> list[Finding]:
        """Return what was found, target by target; a target that cannot be asked is a finding too."""
        slots = asyncio.Semaphore(self._concurrency)

        async def look(target: Target) -> list[Finding]:
            async with slots:
                try:
                    return await self._look(registration, target)
                except HookfetchError as error:
                    return [_finding(registration, target, "unasked", str(error))]

        async with asyncio.TaskGroup() as group:
            looks = [group.create_task(look(target)) for target in registration.targets]
        return [finding for task in looks for finding in task.result()]

    async def _look(self, registration: Registration, target: Target) -> list[Finding]:
        api = registration.api
        found = await api.hooks(target)
        findings = judge(registration.name, target, found, registration.url, api.events)
        for hook in ours(found, registration.url):
            if hook.disabled is not None and self._tests:
                await api.test(target, hook.id)
                words = f"hook {hook.id}: a test delivery was asked for, which switches it on if it succeeds"
                findings.append(_finding(registration, target, "tested", words, wrong=False))
            findings += await self._deliveries(registration, target, hook)
        return findings

    async def _deliveries(self, registration: Registration, target: Target, hook: FoundHook) -> list[Finding]:
        sent = await registration.api.sent(target, hook.id)
        findings = []
        answered = _last_failure(hook, sent)
        if answered is not None:
            findings.append(_finding(registration, target, "failing", f"hook {hook.id}: {failing(answered)}"))
        lost = undelivered(sent, datetime.fromtimestamp(self._clock(), UTC))
        ids = {f"{registration.name}/{one.newest.delivery}" for one in lost}
        known = frozenset(await self._arrived.known(ids)) if ids else frozenset()
        lost = [one for one in lost if f"{registration.name}/{one.newest.delivery}" not in known]
        spent = [one for one in lost if one.spent]
        if spent:
            words = (
                f"hook {hook.id}: {len(spent)} deliveries failed {spent[0].attempts} times and are not tried "
                f"again, the first {spent[0].newest.delivery} ({spent[0].newest.answered}): "
                "the sweep finds their refs"
            )
            findings.append(_finding(registration, target, "undelivered", words))
        return findings + await self._repeat(
            registration, target, hook, [one for one in lost if not one.spent]
        )

    async def _repeat(
        self, registration: Registration, target: Target, hook: FoundHook, lost: list[Undelivered]
    ) -> list[Finding]:
        now, later = lost[: registration.api.redeliveries], lost[registration.api.redeliveries :]
        for one in now:
            await registration.api.redeliver(target, hook.id, one.newest.attempt)
        findings = []
        if now:
            ids = ", ".join(str(one.newest.delivery) for one in now[:5])
            words = f"hook {hook.id}: {len(now)} deliveries that never arrived are sent again: {ids}"
            findings.append(_finding(registration, target, "redelivered", words, wrong=False))
        if later:
            words = f"hook {hook.id}: {len(later)} more deliveries are sent again with the next checks"
            findings.append(_finding(registration, target, "waiting", words))
        return findings


def _last_failure(hook: FoundHook, sent: Sequence[Sent]) -> str | None:
    if sent:
        return None if sent[0].ok else sent[0].answered
    return hook.last_failure


def _finding(
    registration: Registration, target: Target, code: str, text: str, *, wrong: bool = True
) -> Finding:
    return Finding(hook=registration.name, target=target, code=code, text=text, wrong=wrong)

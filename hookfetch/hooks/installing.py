"""Makes, mends and removes our hooks. The secret is on disk before a forge is told."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hookfetch.config import read_secret
from hookfetch.core.errors import HookfetchError, Temporary
from hookfetch.forges.api.values import FoundHook, SecretForm, SecretFormRefused, Target
from hookfetch.hooks.judging import Step, installation, ours
from hookfetch.hooks.memory import Memory
from hookfetch.hooks.registration import Registration
from hookfetch.hooks.secret_files import form_of, new_secret, place_for_new, todays, write_secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a step, or of looking at a target (`step` None): `error` is None when it went well."""

    hook: str
    target: Target
    step: Step | None
    error: str | None = None


class Installer:
    """Installs and removes one registration's hooks; a target that fails does not hold up the others."""

    def __init__(self, registration: Registration, memory: Memory, *, dry_run: bool = False) -> None:
        self._registration = registration
        self._memory = memory
        self._dry_run = dry_run
        self._secret: Path | None = None
        self._fresh = False  # made in this run and not told to any forge yet

    def rotate(self) -> Path:
        """Return the new file with the next secret. No forge is told: the ingress must accept it first."""
        registration = self._registration
        file = place_for_new(registration.secret_files, registration.name, rotate=True)
        if not self._dry_run:
            # The form that this forge is known to sign with, if there was a secret before.
            before = todays(registration.secret_files)
            form = registration.api.secret_forms[0]
            if before is not None:
                form = form_of(read_secret(before, f"hook {registration.name}"))
            write_secret(file, new_secret(form))
        return file

    async def install(self) -> AsyncIterator[Outcome]:
        """Leave one right hook at each target, and tell what was done; a second run does nothing."""
        registration = self._registration
        self._secret = todays(registration.secret_files)
        for target in registration.targets:
            try:
                found = await registration.api.hooks(target)
            except HookfetchError as error:
                yield self._outcome(target, None, error)
                continue
            steps = installation(
                target,
                found,
                registration.url,
                registration.api.events,
                made=self._memory.made(target),
                told=self._memory.told(target, self._secret),
                replaces_secret=registration.api.replaces_secret,
            )
            for step in steps:
                try:
                    if not self._dry_run:
                        await self._take(step, found)
                except HookfetchError as error:
                    yield self._outcome(target, step, error)
                    break
                yield self._outcome(target, step)

    async def remove(self) -> AsyncIterator[Outcome]:
        """Delete each hook that posts to our address; no other, and no secret file."""
        registration = self._registration
        for target in registration.targets:
            try:
                mine = ours(await registration.api.hooks(target), registration.url)
                for hook in mine:
                    step = Step(action="delete", target=target, hook=hook.id, reason="it posts here")
                    if not self._dry_run:
                        await registration.api.delete(target, hook.id)
                    yield self._outcome(target, step)
                if not self._dry_run:
                    self._memory.forget(target)
            except HookfetchError as error:
                yield self._outcome(target, None, error)

    def _outcome(self, target: Target, step: Step | None, error: HookfetchError | None = None) -> Outcome:
        text = None if error is None else str(error)
        return Outcome(hook=self._registration.name, target=target, step=step, error=text)

    async def _take(self, step: Step, found: Sequence[FoundHook]) -> None:
        api, target = self._registration.api, step.target
        if step.action == "keep":
            return
        if step.action == "delete":
            assert step.hook is not None
            await api.delete(target, step.hook)
            return
        hook = await self._tell(step, found)
        if step.action == "replace":
            assert step.hook is not None
            await api.delete(target, step.hook)
        assert self._secret is not None
        self._memory.note(target, hook.id, self._secret)

    async def _tell(self, step: Step, found: Sequence[FoundHook]) -> FoundHook:
        """Return the hook, made or changed with today's secret, which is made if there is none."""
        api, url = self._registration.api, self._registration.url
        forms = list(api.secret_forms)
        if self._secret is None:
            self._make_secret(forms.pop(0))
        while True:
            assert self._secret is not None
            secret = read_secret(self._secret, f"hook {self._registration.name}")
            try:
                if step.action == "update":
                    assert step.hook is not None
                    hook = await api.update(step.target, step.hook, url, secret)
                else:
                    hook = await self._create(step.target, secret, {one.id for one in found})
            except SecretFormRefused:
                # Nobody uses the secret of a minute ago: this forge wants another form of it.
                if not self._fresh or not forms:
                    raise
                self._secret.unlink()
                self._make_secret(forms.pop(0))
                continue
            self._fresh = False
            return hook

    def _make_secret(self, form: SecretForm) -> None:
        registration = self._registration
        file = place_for_new(registration.secret_files, registration.name, rotate=False)
        write_secret(file, new_secret(form))
        self._secret, self._fresh = file, True

    async def _create(self, target: Target, secret: str, before: set[int]) -> FoundHook:
        api, url = self._registration.api, self._registration.url
        try:
            return await api.create(target, url, secret)
        except Temporary:
            # A hook may have been made all the same: look before another is.
            fresh = [hook for hook in ours(await api.hooks(target), url) if hook.id not in before]
            if not fresh:
                raise
            return fresh[0]

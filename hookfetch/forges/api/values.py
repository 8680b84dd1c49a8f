"""What is asked of a forge about its hooks, in words that fit every forge. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from hookfetch.core.errors import Permanent

SecretForm = Literal["signing", "plain"]


@dataclass(frozen=True, slots=True, order=True)
class Target:
    """Where a hook hangs: a repository (GitLab: project), or a group of them (GitHub: organisation)."""

    kind: Literal["repository", "group"]
    path: str

    def __str__(self) -> str:
        return self.path if self.kind == "repository" else f"{self.path} (group)"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundHook:
    """A hook as the forge describes it; secrets are never in its answers.

    `branch_filter` is the pattern that keeps some pushes back, or None. `disabled` is the forge's own
    word for having switched the hook off after failures, `last_failure` what the last delivery got.
    """

    id: int
    url: str
    active: bool
    json: bool
    verifies_tls: bool
    events: frozenset[str]
    branch_filter: str | None = None
    disabled: str | None = None
    last_failure: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One attempt of a delivery, newest first in a listing. `delivery` is the id in its headers, kept by
    a redelivery (None where the forge sent none); `at` is None where the forge does not say."""

    attempt: int
    delivery: str | None
    answered: str
    ok: bool
    at: datetime | None


class Refused(Permanent):
    """The forge refused a request with `status`; the text says what to do."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class SecretFormRefused(Permanent):
    """This forge, or this version of it, cannot sign with that form of secret."""


class HookApi(Protocol):
    """One forge's REST API, as far as hooks go.

    Every call may raise Temporary (unreachable, slow, 5xx, rate limit: worth trying later) or
    Refused. Only `hooks`, `sent` and `delete` are repeated on their own.
    """

    events: frozenset[str]  # what a hook of ours is told about
    kinds: frozenset[str]  # of targets that it serves
    secret_forms: Sequence[SecretForm]  # best first
    replaces_secret: bool  # whether `update` gives an existing hook another secret
    redeliveries: int  # at most so many a hook and look; 0 where the forge offers none

    async def hooks(self, target: Target) -> Sequence[FoundHook]:
        """Return all hooks of `target`."""

    async def create(self, target: Target, url: str, secret: str) -> FoundHook:
        """Return the hook made; SecretFormRefused after nothing was left behind."""

    async def update(self, target: Target, hook: int, url: str, secret: str) -> FoundHook:
        """Return the hook after it was made like a new one; SecretFormRefused if it cannot have `secret`."""

    async def delete(self, target: Target, hook: int) -> None:
        """Return once there is no such hook, whoever removed it."""

    async def test(self, target: Target, hook: int) -> None:
        """Return once the forge took the order to send a ping or test delivery."""

    async def sent(self, target: Target, hook: int) -> Sequence[Sent]:
        """Return the attempts that can still be repeated; none where the forge does not list them."""

    async def redeliver(self, target: Target, hook: int, attempt: int) -> None:
        """Return once the forge took the order."""

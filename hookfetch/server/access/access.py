"""Who calls: the caller behind a token or a certificate, and whether that still holds.

It decides nothing about projects, and knows no protocol.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hookfetch.core.access import EVERYTHING, Caller
from hookfetch.server.access.tokens import Digest, digest_of, owner_of

ANONYMOUS = "anonymous"


class NotKnown(Exception):
    """Nobody is known by what was shown, or nothing was and something has to be; the text is one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A caller, the names in certificates that it is known by, and when (Unix seconds) that ends."""

    caller: Caller
    certificates: frozenset[str] = frozenset()
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """A caller who was let in, by which token if it was one."""

    caller: Caller
    digest: Digest | None = None

    @property
    def named(self) -> bool:
        """Return whether the caller showed who it is."""
        return self.caller.name != ANONYMOUS


class Access:
    """Knows the callers `known`, and what who shows nothing may as `anonymous` (None: nothing).

    Without any `known` nobody can show anything, so what is shown is not looked at: everyone is anonymous.
    `clock` gives Unix seconds.
    """

    def __init__(
        self,
        known: Iterable[Known] = (),
        anonymous: Caller | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._known: Mapping[str, Known] = {each.caller.name: each for each in known}
        self._anonymous = anonymous
        self._clock = clock
        self._tokens: dict[str, tuple[Digest, ...]] = {}
        self._rechecks: set[Callable[[], None]] = set()

    def renew(self, name: str, tokens: Sequence[str]) -> None:
        """Let the caller `name` be known by `tokens` from now on, and by no other."""
        self._tokens[name] = tuple(map(digest_of, tokens))

    def identify(self, token: str | None, certificate: Iterable[str] = ()) -> Pass:
        """Return who shows `token`, or else a `certificate` with these names; NotKnown when nobody does."""
        if self._known and token is not None:
            owner = owner_of(token, self._tokens)
            if owner is None:
                raise NotKnown("the token is not known here, or not any more")
            known = self._known[owner[0]]
            self._check_expiry(known)
            return Pass(known.caller, owner[1])
        names = set(certificate)
        for known in self._known.values():
            if known.certificates & names:
                self._check_expiry(known)
                return Pass(known.caller)
        if self._anonymous is None:
            raise NotKnown("a token is needed: `authorization: Bearer <token>`")
        return Pass(self._anonymous)

    def holds(self, passed: Pass) -> bool:
        """Return whether who was let in would be let in again."""
        if not passed.named:
            return True
        known = self._known[passed.caller.name]
        if known.expires is not None and known.expires <= self._clock():
            return False
        # Compared in constant time when it was shown; here one of ours is looked for among ours.
        return passed.digest is None or passed.digest in self._tokens[passed.caller.name]

    def on_recheck(self, recheck: Callable[[], None]) -> None:
        """Have `recheck` called whenever a pass may no longer hold."""
        self._rechecks.add(recheck)

    def recheck(self) -> None:
        """Have every running call looked at again."""
        for each in self._rechecks:
            each()

    def _check_expiry(self, known: Known) -> None:
        if known.expires is not None and known.expires <= self._clock():
            raise NotKnown(f"the access of {known.caller.name} has expired")


def open_access() -> Access:
    """Return the access of everyone to everything: for an address that nobody else can reach."""
    return Access(anonymous=Caller(ANONYMOUS, (EVERYTHING,)))

"""Tokens: whether one is good enough, and whose it is. Digests are kept, tokens neither kept nor logged."""

import hashlib
import hmac
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from hookfetch.core.errors import ConfigurationError

LEAST_CHARACTERS = 24
LEAST_BITS = 80.0  # as `entropy` counts them: 24 hexadecimal digits have 80 to 96
MOST_CHARACTERS = 4096  # gRPC takes 8 KiB of headers in all

Digest = bytes


def digest_of(token: str) -> Digest:
    """Return what is kept of a token. It is random, so nothing is gained by a slow digest."""
    return hashlib.sha256(token.encode()).digest()


def checked(token: str, where: str) -> str:
    """Return `token`; ConfigurationError naming `where` when it is too easily guessed, or no header
    can carry it."""
    if not token.isascii() or not token.isprintable() or " " in token:
        reason = "is not one word of printable ASCII"
    elif len(token) < LEAST_CHARACTERS:
        reason = f"has fewer than {LEAST_CHARACTERS} characters"
    elif len(token) > MOST_CHARACTERS:
        reason = f"has more than {MOST_CHARACTERS} characters"
    elif entropy(token) < LEAST_BITS:
        reason = "repeats itself too much to be random"
    else:
        return token
    raise ConfigurationError(f"{where}: the token {reason}: make one with `openssl rand -hex 32`")


def entropy(token: str) -> float:
    """Return bits: how often each character stands in the token (Shannon), for each of its characters."""
    counts = Counter(token).values()
    return -sum(count * math.log2(count / len(token)) for count in counts)


def owner_of(token: str, known: Mapping[str, Sequence[Digest]]) -> tuple[str, Digest] | None:
    """Return under which name of `known` a token stands, and its digest; None when nowhere. The time it
    takes does not tell how much of which digest was right: all are compared, each as a whole."""
    presented = digest_of(token)
    found = None
    for name, digests in known.items():
        for digest in digests:
            if hmac.compare_digest(presented, digest):
                found = name, digest
    return found

"""What can a person do about an upstream that refuses, stalls or is gone? Pure: what was said in, advice
out."""

import re
from collections.abc import Sequence

_STALLS = "the host stalls: see whether it is well, or give the project a mirror of it"
_ACCOUNT = (
    "it wants a password: give the service's user one for this host (~/.netrc, git's credential helper)"
)
_KEY = "give the service's user an ssh key without a prompt, and the host's key in known_hosts"
_GONE = "it is gone or not public: put its new url into the element"
_MOVED = "it redirects without end, or where that is not followed: put its new url into the element"
_UNREACHABLE = "the host cannot be reached from here: check its name in the url, or give the project a mirror"
_PRIVATE = "if it is meant, have the project name it: in a url, an alias or a mirror"
_CLOSED = "clients' elements lead to public hosts, and to those that the operator names for them"
_GARBAGE = "what answers is no such server, or a broken one: check the url"

_ADVICE: Sequence[tuple[re.Pattern[str], str]] = tuple(
    (re.compile(pattern, re.IGNORECASE), advice)
    for pattern, advice in (
        (r"private address", _PRIVATE),
        (
            r"too many redirects|exceeded [0-9]+ redirects|redirect error|infinite loop|maximum .*redirects",
            _MOVED,
        ),
        (r"could not read (username|password)|authentication failed|unauthorized|\b401\b|\b403\b", _ACCOUNT),
        (r"permission denied \(|host key verification failed", _KEY),
        (r"timed out|too slow", _STALLS),
        (r"\b404\b|\b410\b|repository .*not found|notgitrepository", _GONE),
        (r"could not resolve|name or service not known|refused|failed to connect|unreachable", _UNREACHABLE),
        (r"protocol error|invalid pkt|bad line length|valid ref|not a valid|expected flush", _GARBAGE),
    )
)


# A plugin's own time-out, where `engine/patience.py` ended it long before.
_OWN_TIMEOUT = re.compile(r" \(read timeout=[0-9.]+\)")


# What libraries put around a refusal (`engine/egress/guarded_sockets.py`), which names the host by itself.
_AROUND_REFUSAL = re.compile(
    r"HTTPS?ConnectionPool\([^)]*\): Max retries exceeded with url: \S+ \(Caused by \w+\("
    r"""["']\w+\([^)]*\): Failed to establish a new connection: """
    r"""(?P<said>[^"']*private address[^"']*)["']\)\)"""
    r"|<urlopen error (?P<opened>[^<>]*private address[^<>]*)>"
)


def plainly_refused(said: str) -> str:
    """Return what was `said` without what libraries put around the refusal of a private address."""
    return _AROUND_REFUSAL.sub(lambda found: found["said"] or found["opened"], said)


def without_own_timeout(said: str) -> str:
    """Return what was `said` without a plugin's time-out, which is not the one that held."""
    return _OWN_TIMEOUT.sub("", said)


def advice(said: str, *, of_client: bool = False) -> str | None:
    """Return what to do about what a plugin, git or a library `said` of an upstream; None where it may be
    anything else. Of an element `of_client`, which has neither the project's mirrors nor this service's
    accounts, only why it may not go where it was to lead."""
    words = next((words for pattern, words in _ADVICE if pattern.search(said)), None)
    if of_client:
        return _CLOSED if words == _PRIVATE else None
    return words

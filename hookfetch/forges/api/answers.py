"""What an answer of a forge means: done, wait, try later, or a line that says what to do. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from hookfetch.core.errors import Temporary
from hookfetch.forges.api.values import Refused

_SAID = 200  # characters of a forge's own words


def wait_of(status: int, headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the forge asks to wait (0 or more), or None when no limit was reached.

    429 everywhere; GitHub also says 403 with `Retry-After` or `X-RateLimit-Remaining: 0`. `now` is Unix
    seconds. Times that make no sense count as a minute.
    """
    after = headers.get("Retry-After")
    spent = headers.get("X-RateLimit-Remaining") == "0"
    if status != 429 and not (status == 403 and (after is not None or spent)):
        return None
    if after is not None:
        return _seconds(after, 0.0)
    reset = headers.get("X-RateLimit-Reset") or headers.get("RateLimit-Reset")
    return 60.0 if reset is None else _seconds(reset, now)


def _seconds(text: str, since: float) -> float:
    return max(0.0, int(text) - since) if text.isascii() and text.isdigit() and len(text) < 12 else 60.0


def error_of(status: int, body: bytes, what: str, forge: str, needs: str) -> Temporary | Refused:
    """Return what an answer other than 2xx means for `what` (method and path) at `forge`.

    `needs` names the scopes and roles that the token has to have.
    """
    if status >= 500 or status == 408:
        return Temporary(f"{what}: {forge} answered {status}: try again later")
    if 300 <= status < 400:
        advice = "it has moved: write its new path or the API's new address into the configuration"
    elif status == 401:
        advice = "the token is wrong or has expired: put a new one into hook.api.token_file"
    elif status in (403, 404):
        advice = f"no such path, or the token may not: it needs {needs}"
    elif status == 422:
        advice = "the forge does not accept the hook's address or events: see ingress.public_url"
    else:
        advice = "the forge does not take this request"
    said = _said(body)
    return Refused(status, f"{what}: {forge} answered {status}{said}: {advice}")


def _said(body: bytes) -> str:
    try:
        answer: Any = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(answer, dict):
        return ""
    parts = [answer.get("message") or answer.get("error")]
    errors = answer.get("errors")
    if isinstance(errors, list):
        parts += [error.get("message") if isinstance(error, dict) else error for error in errors[:3]]
    text = "; ".join(part if isinstance(part, str) else json.dumps(part) for part in parts if part)
    line = "".join(letter if letter.isprintable() else " " for letter in text)[:_SAID]
    return f" ({line})" if line else ""

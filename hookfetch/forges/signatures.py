"""Did someone who knows the secret send these bytes? Pure, and never reads the body as anything but bytes.

Comparisons take the same time wherever the first difference stands, and every configured
secret is tried, so that an answer's timing tells nothing about any of them. The algorithm is
the caller's choice: nothing in a request selects it.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping, Sequence

from hookfetch.core.errors import Rejected

SIGNING_TOKEN_PREFIX = "whsec_"  # noqa: S105 - how the secret is told apart, not one
TOLERANCE = 300.0  # seconds a Standard Webhooks timestamp may be off, before or after

_TIMESTAMP = re.compile(r"[0-9]{1,15}")


def require_hex_hmac(
    headers: Mapping[str, str], header: str, body: bytes, secrets: Sequence[str], *, prefix: str = ""
) -> None:
    """Return if `header` is `prefix` and the lower-case hex HMAC-SHA256 of `body` under any of
    `secrets`; Rejected with code `signature` otherwise."""
    presented = _presented(headers, header)
    digests = (hmac.digest(_key(secret), body, "sha256") for secret in secrets if secret)
    _require_any(header, presented, [f"{prefix}{digest.hex()}".encode() for digest in digests])


def require_token(headers: Mapping[str, str], header: str, secrets: Sequence[str]) -> None:
    """Return if `header` is any of `secrets` itself; Rejected with code `signature` otherwise."""
    _require_any(header, _presented(headers, header), [_key(secret) for secret in secrets if secret])


def require_standard_webhook(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float
) -> None:
    """Return if any of `secrets` (`whsec_` and base64) signed `<id>.<timestamp>.<body>` and the
    timestamp is within TOLERANCE of `now`, in Unix seconds (Standard Webhooks 1.0.0, `v1`).

    Rejected with code `signature` when nobody who knows a secret signed it, with `timestamp`
    when somebody did, but too long ago or in the future.
    """
    presented = _presented(headers, "webhook-signature")
    timestamp = _presented(headers, "webhook-timestamp")
    signed = b".".join((_presented(headers, "webhook-id"), timestamp, b""))
    expected = [_standard_signature(key, signed, body) for key in map(_signing_key, secrets) if key]
    # The header lists several signatures while a secret is rotated; versions other than v1 match nothing.
    matches = [
        hmac.compare_digest(signature, candidate)
        for candidate in presented.split(b" ")
        for signature in expected
    ]
    if not any(matches):
        raise Rejected("signature", "webhook-signature was not made with a configured secret")
    # Only now: a stranger learns nothing about the clock, and `timestamp` means a genuine but stale delivery.
    text = timestamp.decode("ascii")
    if not _TIMESTAMP.fullmatch(text):
        raise Rejected("timestamp", "webhook-timestamp is not a Unix time")
    if not abs(now - int(text)) <= TOLERANCE:
        raise Rejected("timestamp", f"webhook-timestamp is more than {TOLERANCE:.0f} s away from now")


def _presented(headers: Mapping[str, str], header: str) -> bytes:
    value = headers.get(header, "")
    if not value or not value.isascii():
        raise Rejected("signature", f"{header} is missing, empty or not ASCII")
    return value.encode("ascii")


def _require_any(header: str, presented: bytes, expected: Sequence[bytes]) -> None:
    matches = [hmac.compare_digest(candidate, presented) for candidate in expected]
    if not any(matches):
        raise Rejected("signature", f"{header} was not made with a configured secret")


def _key(secret: str) -> bytes:
    # A secret that no file can hold (a lone surrogate) becomes a key that no forge has, not an error.
    return secret.encode("utf-8", "surrogatepass")


def _signing_key(secret: str) -> bytes:
    encoded = _key(secret.removeprefix(SIGNING_TOKEN_PREFIX))
    try:
        return base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        return b""  # nothing can be signed with what is no key, so it matches nothing


def _standard_signature(key: bytes, signed: bytes, body: bytes) -> bytes:
    mac = hmac.new(key, signed, "sha256")
    mac.update(body)  # in two steps: a large body is not copied to put the id before it
    return b"v1," + base64.b64encode(mac.digest())

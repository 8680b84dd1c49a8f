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
from typing import Literal

from hookfetch.core.errors import Rejected
from hookfetch.forges.ed25519 import signed_by

SIGNING_TOKEN_PREFIX = "whsec_"  # noqa: S105 - how the secret is told apart, not one
PUBLIC_KEY_PREFIX = "whpk_"
TOLERANCE = 300.0  # seconds a Standard Webhooks timestamp may be off, before or after

_BASIC = "basic "
_V1A = b"v1a,"
_MOST_SIGNATURES = 20  # of a list; each costs a verification before the sender is known
_TIMESTAMP = re.compile(r"[0-9]{1,15}")


def require_hex_hmac(
    headers: Mapping[str, str],
    header: str,
    body: bytes,
    secrets: Sequence[str],
    *,
    prefix: str = "",
    algorithm: Literal["sha256", "sha1"] = "sha256",
) -> None:
    """Return if `header` is `prefix` and the lower-case hex HMAC of `body` under any of `secrets`;
    Rejected with code `signature` otherwise."""
    presented = _presented(headers, header)
    digests = (hmac.digest(_key(secret), body, algorithm) for secret in secrets if secret)
    _require_any(header, presented, [f"{prefix}{digest.hex()}".encode() for digest in digests])


def require_token(headers: Mapping[str, str], header: str, secrets: Sequence[str]) -> None:
    """Return if `header` is any of `secrets` itself; Rejected with code `signature` otherwise."""
    _require_any(header, _presented(headers, header), [_key(secret) for secret in secrets if secret])


def require_shared_secret(headers: Mapping[str, str], header: str | None, secrets: Sequence[str]) -> None:
    """Return if any of `secrets` is what `header` holds or, where `header` is None, the password of
    basic authentication (RFC 7617; the user's name is not looked at). Rejected with code
    `signature` otherwise. It covers no byte of the body: for senders that sign nothing."""
    if header is not None:
        require_token(headers, header, secrets)
        return
    presented = headers.get("authorization", "")
    if presented[: len(_BASIC)].lower() != _BASIC or not presented.isascii():
        raise Rejected("signature", "authorization is missing, or is not basic authentication")
    try:
        credentials = base64.b64decode(presented[len(_BASIC) :].strip(), validate=True)
    except binascii.Error as error:
        raise Rejected("signature", "authorization is not basic authentication") from error
    password = credentials.partition(b":")[2]
    _require_any("authorization", password, [_key(secret) for secret in secrets if secret])


def require_timed_token(
    headers: Mapping[str, str], header: str, timestamp_header: str, secrets: Sequence[str], now: float
) -> None:
    """Return if `header` is the base64 HMAC-SHA256 of `<timestamp>\\n<secret>` under any of `secrets`
    and the timestamp, in milliseconds, is within TOLERANCE of `now` (Unix seconds). It covers no
    byte of the body. Rejected with code `signature` or `timestamp` otherwise."""
    presented = _presented(headers, header)
    timestamp = _presented(headers, timestamp_header)
    keys = [_key(secret) for secret in secrets if secret]
    tokens = [base64.b64encode(hmac.digest(key, timestamp + b"\n" + key, "sha256")) for key in keys]
    _require_any(header, presented, tokens)
    _require_recent(timestamp_header, timestamp, now, 1000)


def require_ed25519(
    headers: Mapping[str, str], header: str, nonce_header: str, body: bytes, keys: Sequence[str]
) -> None:
    """Return if `header` is a base64 Ed25519 signature over `body` and the text of `nonce_header`
    by any of `keys` (base64 public keys); Rejected with code `signature` otherwise."""
    signature = _presented(headers, header)
    message = body + _presented(headers, nonce_header)
    if not any(signed_by(_key(key), signature, message) for key in keys):
        raise Rejected("signature", f"{header} was not made with a configured key")


def require_standard_webhook(
    headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float
) -> None:
    """Return if any of `secrets` signed `<id>.<timestamp>.<body>` and the timestamp is within
    TOLERANCE of `now`, in Unix seconds (Standard Webhooks 1.0.0).

    `whsec_` and base64 is the key of an HMAC-SHA256 (`v1`), `whpk_` and base64 the sender's
    public key (`v1a`, Ed25519): the configured secret says which signature counts. Rejected
    with code `signature` when nobody who knows a secret signed it, with `timestamp` when
    somebody did, but too long ago or in the future.
    """
    presented = _presented(headers, "webhook-signature").split(b" ")[:_MOST_SIGNATURES]
    timestamp = _presented(headers, "webhook-timestamp")
    signed = b".".join((_presented(headers, "webhook-id"), timestamp, b""))
    public = [secret for secret in secrets if secret.startswith(PUBLIC_KEY_PREFIX)]
    shared = [secret for secret in secrets if not secret.startswith(PUBLIC_KEY_PREFIX)]
    expected = [_standard_signature(key, signed, body) for key in map(_signing_key, shared) if key]
    # The header lists several signatures while a secret is rotated; other versions match nothing.
    matches = [hmac.compare_digest(signature, candidate) for candidate in presented for signature in expected]
    if public and (v1a := [item.removeprefix(_V1A) for item in presented if item.startswith(_V1A)]):
        message = signed + body
        keys = [_key(secret.removeprefix(PUBLIC_KEY_PREFIX)) for secret in public]
        matches += [signed_by(key, signature, message) for key in keys for signature in v1a]
    if not any(matches):
        raise Rejected("signature", "webhook-signature was not made with a configured secret")
    _require_recent("webhook-timestamp", timestamp, now, 1)


def _require_recent(header: str, timestamp: bytes, now: float, units: int) -> None:
    """Called after the signature was found good: a stranger learns nothing about the clock, and
    `timestamp` means a genuine but stale delivery. `units` of the timestamp make a second."""
    text = timestamp.decode("ascii")
    if not _TIMESTAMP.fullmatch(text):
        raise Rejected("timestamp", f"{header} is not a Unix time")
    if not abs(now - int(text) / units) <= TOLERANCE:
        raise Rejected("timestamp", f"{header} is more than {TOLERANCE:.0f} s away from now")


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

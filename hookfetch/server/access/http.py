"""The token in an HTTP request or a call's metadata, and who calls over HTTP."""

import base64
import binascii
from collections.abc import Mapping

from hookfetch.server.access.access import Access, NotKnown, Pass

# Offered to who shows nothing (RFC 9110, 11.6.1): git and browsers then send what they know of the host.
CHALLENGE = 'Basic realm="hookfetch", charset="UTF-8"'


def caller_of_http(access: Access, headers: Mapping[str, str]) -> Pass:
    """Return who sent a request with these headers: a bearer token (RFC 6750), or, as git sends it, basic
    authentication with the token as its password and any user (RFC 7617). NotKnown, for a 401 with
    `CHALLENGE`, when nobody is known by it.

    `headers` finds names however they are written, as aiohttp's do.
    """
    return access.identify(bearer(headers.get("Authorization"), basic=True))


def bearer(authorization: str | None, *, basic: bool = False) -> str | None:
    """Return the token in a header's value, None without the header; NotKnown when it holds none."""
    if authorization is None:
        return None
    scheme, _, rest = authorization.strip().partition(" ")
    token = rest.strip()
    if scheme.lower() == "bearer" and token:
        return token
    if basic and scheme.lower() == "basic":
        return _password(token)
    accepted = "Bearer or Basic" if basic else "Bearer"
    raise NotKnown(f"the authorization is not of a scheme that is accepted here: {accepted}")


def _password(encoded: str) -> str:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise NotKnown("the basic authentication is not base64 of a user and a token") from None
    return text.partition(":")[2]

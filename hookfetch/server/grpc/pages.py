"""Page tokens: where a page ended, in a form that no client is to look into. Pure."""

import base64
import binascii
import json
from collections.abc import Sequence

from hookfetch.server.grpc.errors import Refused, invalid


def token_of(place: Sequence[object]) -> str:
    """Return the token of a page that ended at `place`."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def place_in(token: str) -> object:
    """Return what JSON has of the place in `token`, whatever it is; Refused when it is no token."""
    try:
        place = json.loads(base64.urlsafe_b64decode(token))
        json.dumps(place, ensure_ascii=False).encode()  # half a character goes no further
    except (ValueError, binascii.Error, RecursionError):
        raise no_token() from None
    return place


def no_token() -> Refused:
    """Return the refusal of a token that no page gave."""
    return invalid("page_token", "is not one that a page gave")

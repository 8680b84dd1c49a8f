"""What more than one forge needs to know a delivery by. Pure; headers are not signed, so nothing that
matters is believed because a header says it."""

import hashlib
import re
from collections.abc import Mapping

from hookfetch.core.errors import Rejected

# The forges send UUIDs. Anything longer or stranger is no id, and would end up in logs and keys.
_DELIVERY_ID = re.compile(r"[!-~]{1,200}")


def sent_delivery_id(headers: Mapping[str, str], *names: str) -> str | None:
    """Return the first of `names` that holds an id: 1 to 200 visible ASCII characters."""
    for name in names:
        value = headers.get(name, "")
        if _DELIVERY_ID.fullmatch(value):
            return value
    return None


def content_id(body: bytes, *also: str) -> str:
    """Return an id of the bytes of `body` and of the headers' values in `also`. Only for what says itself
    which delivery it is, or when that was: else two pushes of the same change would look like one."""
    digest = hashlib.sha256("\n".join((*also, "")).encode("utf-8", "surrogatepass"))
    digest.update(body)
    return f"sha256-{digest.hexdigest()}"


def event_name(headers: Mapping[str, str], header: str) -> str:
    """Return the name of the event; Rejected with code `forge` where there is none."""
    value = headers.get(header, "")
    if not value:
        raise Rejected("forge", f"{header} is missing: not a delivery of this forge")
    return value

"""One webhook POST as a value: the bytes that were signed and the headers beside them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """An accepted or yet to be verified POST.

    `headers` have lower-case names. `id` is `<hook>/<what the forge knows it by>`, or `<hook>/<random>`
    where nothing tells a redelivery from another one: equal ids mean a redelivery.
    `received_at` is in Unix seconds. `attempts` counts how often it died before its replay.
    """

    id: str
    hook: str
    headers: Mapping[str, str]
    body: bytes
    received_at: float
    attempts: int = 0

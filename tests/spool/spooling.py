"""What the spool's tests share: deliveries, and files looked at from outside."""

import os
from pathlib import Path

from hookfetch.core.delivery import Delivery
from hookfetch.core.ports import Spooled


def numbered(number: int, size: int = 40) -> Delivery:
    """Return a delivery with an id of its own."""
    body = (number.to_bytes(4, "big") * (size // 4 + 1))[:size]
    return Delivery(
        id=f"hook/{number}", hook="hook", headers={"x-event": "push"}, body=body, received_at=float(number)
    )


def incompressible(number: int, size: int) -> Delivery:
    """Return a numbered delivery that takes `size` bytes and a little on disk."""
    return Delivery(id=f"hook/{number}", hook="hook", headers={}, body=os.urandom(size), received_at=0.0)


def ids(taken: list[Spooled]) -> list[str]:
    return [spooled.delivery.id for spooled in taken]


def segments(directory: Path) -> list[Path]:
    return sorted(path for path in directory.iterdir() if path.suffix in {".segment", ".sealed"})


def files(directory: Path, pattern: str = "*") -> list[Path]:
    return sorted(directory.glob(pattern))

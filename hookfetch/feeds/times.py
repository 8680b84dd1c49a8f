"""Points in time as documents write them. Pure: asks no clock."""

from datetime import UTC, datetime
from functools import lru_cache

_LONGEST = 64  # characters


@lru_cache(maxsize=1024)  # the files of a release have one time
def moment(text: str | None) -> datetime | None:
    """Return a time in ISO 8601 in UTC; one without a zone is in UTC. None for what is no time."""
    if not text or len(text) > _LONGEST:
        return None
    try:
        parsed = datetime.fromisoformat(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def unix(seconds: float | None) -> datetime | None:
    """Return a Unix time in UTC; None for what is beyond the calendar."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None

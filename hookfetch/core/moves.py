"""A newer version of an element: what is wanted, what it changes in the sources as they are written, what is
said of it, and how long a release that cannot be downloaded is waited for. Values, and pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hookfetch.core.errors import HookfetchError


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMove:
    """An element is to go from version `current` to `version`. `feed` told of it, `tag` is the release's in
    git, `page` where its notes are; `urls` are its files as the feed gives them."""

    current: str
    version: str
    feed: str
    tag: str | None = None
    page: str | None = None
    urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """The value of a key as it is written in a file, before and after."""

    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMove:
    """What changes of one source beside its ref, from version `old` to `new`: `keys` of the source and the
    `variables` that they hold, as they are written; and what these come to with the variables' values, which
    BuildStream is `given`."""

    old: str
    new: str
    given: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[ValueChange, ...] = ()
    variables: tuple[ValueChange, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The versions that an element went from and to, and who told of the release: as in `WantedMove`."""

    old: str
    new: str
    feed: str
    tag: str | None = None
    page: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmoved:
    """The move to `version` was not made, for a `reason` in one line. One that `waits` cannot be downloaded
    yet; any other is refused."""

    version: str
    reason: str
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingMove:
    """A wanted move as the store has it. `tries` are those in vain, since `found_at`. It is `over` when it
    is not tried any more; `due_at` is when it is tried next. Times are Unix seconds."""

    wanted: WantedMove
    found_at: float
    tries: int = 0
    reason: str | None = None
    over: bool = False
    due_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a release is waited for that is not downloadable: seconds to the first try, doubled up to
    `most`, and given up once all of them together would be over `total`."""

    first: float = 300.0
    most: float = 6 * 3600.0
    total: float = 7 * 86400.0

    def delay(self, tries: int) -> float | None:
        """Return the seconds to the next try after so many in vain (from 1); None: no more."""
        spent = 0.0
        pause = 0.0
        for number in range(tries):
            pause = min(self.most, self.first * 2.0 ** min(number, 32))
            spent += pause
            if spent > self.total:
                return None
        return pause


class NotMoved(HookfetchError):
    """A move cannot be made; the one line says why. `waits`: not yet."""

    def __init__(self, reason: str, *, waits: bool = False) -> None:
        super().__init__(reason)
        self.waits = waits

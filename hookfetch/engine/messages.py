"""What a supervisor and its worker process say to each other: one line of JSON a message."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.digests import Digest
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import CacheUse
from hookfetch.core.moves import Unmoved, Upgrade, WantedMove
from hookfetch.core.sources import LoadedProject
from hookfetch.core.supplied import SuppliedRules, SuppliedSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirrors:
    """Where originals are kept, below `state_dir`, and at most how many `bytes` of them. `accounts` are the
    hosts that want one. A job waits `patience` seconds for another's mirror, and for the downloads of a newer
    version, of which each has at most `archive_bytes`."""

    state_dir: str
    bytes: int
    accounts: tuple[str, ...]
    patience: float
    archive_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The first request: which project to serve. `directory` is the worker's own, for its caches, of which
    the staged sources take at most `cache_bytes`; the project is read at `path`, or, without one, in a work
    tree below it, of the bare repository `clone`. Of the source caches it has the files' places alone."""

    name: str
    path: str | None
    clone: str | None
    directory: str
    cache_bytes: int
    source_cache: tuple[SourceCacheConfig, ...]
    cache_lease: float
    options: dict[str, str]
    targets: tuple[str, ...]
    shortcut: bool
    mirrors: Mirrors
    supplied: SuppliedRules = field(default_factory=SuppliedRules)
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Load the project again from its files, or, where there is a clone, as of the commit `revision`."""

    revision: str | None
    type: Literal["load"] = "load"


# The kinds of sources that a look is for (`looks`).
LOOKED_AT = ("git_repo", "git_tag", "git")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAhead:
    """Begin to look at the upstreams of an element of the project as it was loaded last, for a `Run` that
    will tell this `number`. It is taken at once, whatever the worker is at, and not replied to."""

    number: int
    element: str
    type: Literal["look_ahead"] = "look_ahead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Do a job on one element of the project as it was loaded last; for it the look `looked` has begun. With
    `supplied` sources it is on those, and `element` is but a name."""

    element: str
    track: bool
    refs: tuple[SourceRef, ...]
    cache: CacheUse = "use"
    tells_directories: bool = False
    looked: int | None = None
    supplied: tuple[SuppliedSource, ...] = ()
    move: WantedMove | None = None
    type: Literal["run"] = "run"


Request = Annotated[Start | Load | LookAhead | Run, Field(discriminator="type")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """The project as loaded. `shortcut_off`: why this worker goes BuildStream's way with all sources,
    although it may take the shortcut."""

    project: LoadedProject
    shortcut_off: str | None
    type: Literal["loaded"] = "loaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLoaded:
    """Why the project does not load, in one line."""

    reason: str
    type: Literal["not_loaded"] = "not_loaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """Every source's ref, while the job goes on."""

    refs: tuple[SourceRef, ...]
    milliseconds: float
    type: Literal["tracked"] = "tracked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The job is done; the fields are those of `Finished`. `spent` as in `Refused`."""

    refs: tuple[SourceRef, ...]
    cached: bool
    element_key: str | None
    source_keys: tuple[str, ...]
    milliseconds: dict[str, float]
    descends: dict[int, bool]
    element_directory: Digest | None = None
    source_directories: tuple[Digest | None, ...] = ()
    upgrade: Upgrade | None = None
    unmoved: Unmoved | None = None
    spent: bool = False
    type: Literal["done"] = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """BuildStream, a plugin or an upstream refused the element. `spent`: the worker leaves,
    since it may not be whole any more."""

    reason: str
    spent: bool = False
    type: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unavailable:
    """The source cache (`cache_away`) or the worker's own storage was not there. `spent` as in `Refused`."""

    reason: str
    spent: bool = False
    cache_away: bool = False
    type: Literal["unavailable"] = "unavailable"


Reply = Annotated[Loaded | NotLoaded | Tracked | Done | Refused | Unavailable, Field(discriminator="type")]

REQUESTS: TypeAdapter[Start | Load | LookAhead | Run] = TypeAdapter(Request)
REPLIES: TypeAdapter[Loaded | NotLoaded | Tracked | Done | Refused | Unavailable] = TypeAdapter(Reply)

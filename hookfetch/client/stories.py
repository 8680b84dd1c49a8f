"""What operators' calls return, as frozen values, and how the contract's messages become them. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeVar, cast

from google.protobuf import json_format
from google.protobuf.message import Message
from pydantic import TypeAdapter

from hookfetch.core.kept import ToldFact
from hookfetch.core.questions import ProjectReport, ProjectStory

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """A delivery as its ingress knows it, and how it stands. Times are Unix seconds, `bytes` its body's."""

    id: str
    hook: str
    ingress: str
    received_at: float
    bytes: int
    outcome: str
    relayed_at: float | None = None
    reason: str | None = None
    facts: tuple[ToldFact, ...] = ()
    fact_count: int = 0
    redelivery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryPage:
    """Deliveries, newest first; `silent` projects did not answer. No `next_page_token` on the last page."""

    deliveries: tuple[DeliveryLine, ...] = ()
    next_page_token: str = ""
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A delivery with its replays (`deliveries`, oldest first) and what each project made of them;
    `silent` projects did not answer."""

    id: str
    outcome: str
    reason: str | None = None
    deliveries: tuple[DeliveryLine, ...] = ()
    projects: tuple[ProjectStory, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenElement:
    """An element with an open job. Times are Unix seconds; no `due_at` for one that runs or is due."""

    project: str
    element: str
    state: str
    failures: int = 0
    attempts: int = 0
    reason: str | None = None
    since: float | None = None
    due_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementPage:
    """Elements, those that want a look first; `counts` are of all that match, by state. `paused` projects
    rest, `silent` ones did not answer. No `next_page_token` on the last page."""

    elements: tuple[OpenElement, ...] = ()
    next_page_token: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    paused: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedNow:
    """Elements that are tried now, or when their project is resumed if it is `paused`; `left` more match."""

    elements: tuple[str, ...] = ()
    left: int = 0
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """Elements whose open jobs ended; `left` more match."""

    elements: tuple[str, ...] = ()
    left: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the projects are; `silent` ones did not answer."""

    projects: tuple[ProjectReport, ...] = ()
    silent: tuple[str, ...] = ()


def value_of(message: Message, kind: type[T]) -> T:
    """Return a message of the contract as the value that has its fields."""
    fields = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    adapter: TypeAdapter[T] = _adapter(cast("Hashable", kind))
    return adapter.validate_python(fields)


@lru_cache(maxsize=64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

"""Events, jobs, the log's records and replies as JSON bytes and back. The one wire form of all of them."""

from typing import Annotated, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from hookfetch.core.asset_questions import UsersAsked, UsersTold
from hookfetch.core.delivery_questions import DeliveryAnswer, DeliveryQuestion
from hookfetch.core.entries import Record
from hookfetch.core.errors import Permanent
from hookfetch.core.events import Event
from hookfetch.core.feed_questions import FeedCheckAsked, FeedCheckTold, FeedsAsked, FeedsTold
from hookfetch.core.jobs import CalledOff, Job, Progress, Reply
from hookfetch.core.project_questions import AboutProject, ToldOfProject
from hookfetch.core.questions import AnyAnswer, AnyQuestion
from hookfetch.core.recipe_questions import RecipeAsked, RecipeTold

_EVENT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_JOB = TypeAdapter(Job)
_RECORD: TypeAdapter[Record] = TypeAdapter(Annotated[Record, Field(discriminator="type")])
_REPLY: TypeAdapter[Reply | Progress] = TypeAdapter(Annotated[Reply | Progress, Field(discriminator="type")])
Asked = AnyQuestion | DeliveryQuestion | RecipeAsked | UsersAsked | AboutProject | FeedsAsked | FeedCheckAsked
Told = Asked | CalledOff
Answered = AnyAnswer | DeliveryAnswer | RecipeTold | UsersTold | ToldOfProject | FeedsTold | FeedCheckTold
_QUESTION: TypeAdapter[Told] = TypeAdapter(Annotated[Told, Field(discriminator="type")])
_ANSWER: TypeAdapter[Answered] = TypeAdapter(Annotated[Answered, Field(discriminator="type")])


T = TypeVar("T")


def _load(adapter: TypeAdapter[T], data: bytes) -> T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise Permanent(f"not a message of this version: {place}: {first['msg']}") from error


def dump_event(event: Event) -> bytes:
    """Return `event` as one line of JSON."""
    return _EVENT.dump_json(event)


def load_event(data: bytes) -> Event:
    """Return the event in `data`; Permanent when it is none."""
    return _load(_EVENT, data)


def dump_job(job: Job) -> bytes:
    """Return `job` as one line of JSON."""
    return _JOB.dump_json(job)


def load_job(data: bytes) -> Job:
    """Return the job in `data`; Permanent when it is none."""
    return _load(_JOB, data)


def dump_record(record: Record) -> bytes:
    """Return a record of the log as one line of JSON."""
    return _RECORD.dump_json(record)


def load_record(data: bytes) -> Record:
    """Return the record in `data`; Permanent when it is none."""
    return _load(_RECORD, data)


def dump_reply(reply: Reply | Progress) -> bytes:
    """Return what an inbox is told as one line of JSON."""
    return _REPLY.dump_json(reply)


def load_reply(data: bytes) -> Reply | Progress:
    """Return what an inbox was told; Permanent when it is neither a reply nor progress."""
    return _load(_REPLY, data)


def dump_question(question: Told) -> bytes:
    """Return what is told to everyone as one line of JSON."""
    return _QUESTION.dump_json(question)


def load_question(data: bytes) -> Told:
    """Return what was told to everyone, mostly a question; Permanent when it is neither."""
    return _load(_QUESTION, data)


def dump_answer(answer: Answered) -> bytes:
    """Return an answer as one line of JSON."""
    return _ANSWER.dump_json(answer)


def load_answer(data: bytes) -> Answered:
    """Return the answer in `data`; Permanent when it is none."""
    return _load(_ANSWER, data)

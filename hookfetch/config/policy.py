"""The keys of a policy, as the configuration, a project's `hookfetch.toml` and an element's public data have
them. The last two are foreign text: nothing but these keys, and of bounded size."""

import tomllib
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from hookfetch.core.errors import ConfigurationError
from hookfetch.core.globs import Glob
from hookfetch.core.policy import PROJECT_FILE, PolicyKeys, PolicyRule, Reaction
from hookfetch.core.said_feeds import checked

_MOST_RULES = 200
_MOST_GLOBS = 100  # of a rule
_LONGEST_GLOB = 500  # characters
_LONGEST_REASON = 300
_LONGEST_FEED = 1000

_DAY = 86400

Seconds = Annotated[float, Field(ge=0, le=31 * _DAY, allow_inf_nan=False)]


class PolicyKeysConfig(BaseModel):
    """What is asked of an element; a key that is not set is for another place to say. Times are seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pin: bool | None = None
    ignore: bool | None = None
    debounce: Annotated[Seconds, Field(le=_DAY)] | None = None
    minimum_interval: Seconds | None = None
    minimum_age: Seconds | None = None
    rewritten_branch: Reaction | None = None
    moved_tag: Reaction | None = None
    feed: Annotated[str, StringConstraints(max_length=_LONGEST_FEED), AfterValidator(checked)] | None = None
    series: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.*?_+~-]{1,60}$")] | None = None
    prereleases: bool | None = None

    def keys(self) -> PolicyKeys:
        """Return the keys as a value."""
        return PolicyKeys(**self.model_dump(include=set(PolicyKeysConfig.model_fields)))


class PolicyConfig(PolicyKeysConfig):
    """What is asked of the elements that one of the globs matches."""

    elements: Annotated[
        tuple[Annotated[str, StringConstraints(min_length=1, max_length=_LONGEST_GLOB)], ...],
        Field(min_length=1, max_length=_MOST_GLOBS),
    ]

    @field_validator("elements")
    @classmethod
    def _are_globs(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            Glob(text)  # ValueError when a set of characters has no sense
        return value

    def rule(self) -> PolicyRule:
        """Return the rule as a value."""
        return PolicyRule(elements=self.elements, keys=self.keys())


class ProjectFileConfig(BaseModel):
    """A project's `hookfetch.toml`. With `junction_refs` the refs of elements behind junctions are written,
    too, where project.refs has them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    junction_refs: bool = False
    policy: Annotated[tuple[PolicyConfig, ...], Field(max_length=_MOST_RULES)] = ()


def parse_project_file(text: str) -> ProjectFileConfig:
    """Return what a `hookfetch.toml` says; ConfigurationError names the file and the key in one line."""
    try:
        return ProjectFileConfig.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigurationError(f"{PROJECT_FILE}: {first_mistake(error)}") from error
    except (ValueError, RecursionError) as error:  # no TOML, or too deep
        raise ConfigurationError(f"{PROJECT_FILE}: {str(error)[:_LONGEST_REASON]}") from error


def first_mistake(error: ValidationError) -> str:
    """Return the first of what is wrong, with its key."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(map(str, first["loc"])) or "(top level)"
    return f"{key}: {first['msg']}"[:_LONGEST_REASON]

"""Who may call, as configured: callers with their grants, and what those may who show nothing."""

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from hookfetch.core.access import Caller, Grant, Scope, grant

ProjectGlob = Annotated[str, Field(min_length=1, max_length=500)]


class GrantConfig(BaseModel):
    """What is allowed, with which projects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)]
    projects: Annotated[tuple[ProjectGlob, ...], Field(min_length=1)]

    @field_validator("projects")
    @classmethod
    def _globs_have_sense(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        grant((), value)
        return value

    def grant(self) -> Grant:
        """Return it as the value that decides."""
        return grant(self.scopes, self.projects)


class CallerConfig(BaseModel):
    """One who calls, known by a token in one of `token_files` (those after the first may not be there yet)
    or by a name in its certificate, until it `expires`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
    token_files: tuple[Path, ...] = ()
    certificates: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()
    expires: AwareDatetime | None = None
    grants: Annotated[tuple[GrantConfig, ...], Field(min_length=1)]

    @field_validator("name")
    @classmethod
    def _is_someone(cls, value: str) -> str:
        if value == "anonymous":
            raise ValueError("the name 'anonymous' is for those who show nothing: see grpc.anonymous")
        return value

    @model_validator(mode="after")
    def _is_known_by_something(self) -> "CallerConfig":
        if not (self.token_files or self.certificates):
            raise ValueError("needs `token_files` or `certificates`")
        return self

    def caller(self) -> Caller:
        """Return it as the value that decides."""
        return Caller(self.name, tuple(each.grant() for each in self.grants))

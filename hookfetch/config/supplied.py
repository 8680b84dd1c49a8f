"""Which elements of clients' own a project takes, as configured."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hookfetch.core.egress import named_by
from hookfetch.core.supplied import SuppliedRules

Kind = Literal["git", "git_repo", "git_tag", "remote", "tar", "zip"]
Host = Annotated[str, Field(pattern=r"^(\[[0-9a-f:]+\]|[a-z0-9.-]+)(:[0-9]{1,5})?$")]


class SuppliedConfig(BaseModel):
    """Sources of which `kinds`: `[]` is none, and so no element at all. `hosts` (`name` or `name:port`) may
    be at private addresses, which no other host of a client's element may, whatever the project names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kinds: tuple[Kind, ...] = ("git", "git_repo", "git_tag", "remote", "tar", "zip")
    hosts: tuple[Host, ...] = ()

    def rules(self) -> SuppliedRules:
        """Return it as the value that decides."""
        places = (place for host in self.hosts for place in named_by(f"https://{host}"))
        return SuppliedRules(kinds=frozenset(self.kinds), hosts=frozenset(places))

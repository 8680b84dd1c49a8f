"""How long a release is waited for that a feed tells of and that cannot be downloaded yet."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from hookfetch.core.moves import Patience


class ReleasesConfig(BaseModel):
    """Its archives are asked for again after `first` seconds, then after twice as long each time, up to
    `most`; after `give_up_after` seconds in all, no more."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Annotated[float, Field(gt=0)] = 300.0
    most: Annotated[float, Field(gt=0)] = 6 * 3600.0
    give_up_after: Annotated[float, Field(ge=0)] = 7 * 86400.0

    def patience(self) -> Patience:
        """Return it as the coordinator has it."""
        return Patience(first=self.first, most=self.most, total=self.give_up_after)

"""How feeds are asked where releases are told of."""

from importlib.metadata import version
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hookfetch.config.sections import BaseUrl


class FeedsConfig(BaseModel):
    """Where releases are told of is asked for between `interval_least` and `interval_most` seconds, by when
    the last one was made, and within `timeout` seconds; with `ask = false` nothing is. `contact` is an
    address or a page that servers are shown with each question. `python_index` is where packages are told
    of whose files' addresses do not say it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: bool = True
    interval_least: Annotated[float, Field(gt=0)] = 900.0
    interval_most: Annotated[float, Field(gt=0)] = 14400.0
    timeout: Annotated[float, Field(gt=0)] = 30.0
    contact: Annotated[str, Field(pattern=r"^[!-'*-~]{1,200}$")] | None = None
    python_index: BaseUrl | None = None

    @model_validator(mode="after")
    def _least_is_least(self) -> "FeedsConfig":
        if self.interval_most < self.interval_least:
            raise ValueError("interval_most is less than interval_least")
        return self

    def agent(self) -> str:
        """Return what servers are told of who asks (RFC 9110, 10.1.5)."""
        product = f"hookfetch/{version('hookfetch')}"
        return product if self.contact is None else f"{product} (+{self.contact})"

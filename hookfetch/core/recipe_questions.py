"""What a gateway asks coordinators about recipes before it has one followed, and what they answer."""

from dataclasses import dataclass
from typing import Literal

from hookfetch.core.questions import Question


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeAsked(Question):
    """Is there a recipe for `key`? The coordinators of `projects` answer, yes or no."""

    projects: tuple[str, ...]
    key: str
    type: Literal["recipe_asked"] = "recipe_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTold:
    """Whether a project has a recipe for the key, and whether a job is `open` that follows it."""

    project: str
    epoch: int
    known: bool
    open: bool = False
    type: Literal["recipe_told"] = "recipe_told"

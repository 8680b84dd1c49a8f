"""Which updates a client asked for: projects by name, elements by BuildStream's globs. Pure."""

from collections.abc import Iterable, Sequence

from hookfetch.core.globs import Glob

MAX_GLOBS = 100
MAX_GLOB = 500  # characters
MAX_PROJECTS = 1000


class BadFilter(Exception):
    """A filter cannot be used. `field` is its place in the request; the text says why, in one line."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


class Filter:
    """The projects and elements of a request. No glob means every element.

    BadFilter when a glob cannot be used or there is too much of something.
    """

    def __init__(self, projects: Iterable[str], elements: Sequence[str]) -> None:
        self.projects = frozenset(projects)
        if len(elements) > MAX_GLOBS:
            raise BadFilter("filter.elements", f"at most {MAX_GLOBS} globs")
        self._globs = [_glob(f"filter.elements[{index}]", text) for index, text in enumerate(elements)]

    def matches(self, project: str, element: str) -> bool:
        """Return whether an update of `element` was asked for."""
        if project not in self.projects:
            return False
        return not self._globs or any(glob.matches(element) for glob in self._globs)


def _glob(field: str, text: str) -> Glob:
    if not text:
        raise BadFilter(field, "a glob is not empty")
    if len(text) > MAX_GLOB:
        raise BadFilter(field, f"a glob has at most {MAX_GLOB} characters")
    try:
        return Glob(text)
    except ValueError as error:
        raise BadFilter(field, str(error)) from error

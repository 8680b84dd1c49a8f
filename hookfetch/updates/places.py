"""In which file of a project, and where in it, does the ref of a source stand? Pure, given the texts.

Element files, what they include, and project.refs or junction.refs are looked at. A place is taken only
where the text holds the ref that a change starts from, or ends at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hookfetch import edits
from hookfetch.config.policy import parse_project_file
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.jobs import Change
from hookfetch.core.junctions import junction_of, may_write
from hookfetch.core.policy import PROJECT_FILE
from hookfetch.edits import Mapping, Path, Refused

PROJECT_CONF = "project.conf"
PROJECT_REFS = "project.refs"
JUNCTION_REFS = "junction.refs"
MAX_INCLUDED = 64  # files that one element includes, directly or not

_INCLUDE = "(@)"


class Files(Protocol):
    """A project's texts by path, from the project's folder on, with slashes."""

    def read(self, path: str) -> str | None:
        """Return a file's text, None where there is none; Refused where it may not be, or is no text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a source's new ref changes in one file; nothing if the file has it already."""

    path: str
    changes: tuple[edits.Change, ...]


def project_name(files: Files) -> str:
    """Return the name in project.conf; ConfigurationError when that cannot be used."""
    return Places(files).name


class Places:
    """Finds the places of one project's refs; ConfigurationError when its project.conf or hookfetch.toml
    cannot be used. The latter says whether refs of elements behind junctions are written."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._documents: dict[str, tuple[str | None, Mapping]] = {}
        try:
            conf = self.document(PROJECT_CONF).value
            self._junction_refs = parse_project_file(files.read(PROJECT_FILE) or "").junction_refs
        except Refused as error:
            raise ConfigurationError(str(error)) from error
        self.name = str(conf.get("name", ""))
        self._elements = str(conf.get("element-path", "."))
        self._central = conf.get("ref-storage") == PROJECT_REFS
        if not self.name:
            raise ConfigurationError(f"{PROJECT_CONF} names no project: is this the folder of one?")

    def text(self, path: str) -> str | None:
        """Return the text that was read at `path`; None where there is no file."""
        self.document(path)
        return self._documents[path][0]

    def document(self, path: str) -> Mapping:
        """Return what stands at `path`, empty where there is no file; Refused where it cannot be read."""
        if path not in self._documents:
            try:
                text = self._files.read(path)
                self._documents[path] = text, edits.parse(text or "")
            except Refused as error:
                raise Refused(f"{path}: {error}") from error
        return self._documents[path][1]

    def find(self, element: str, change: Change) -> Found:
        """Return the file that holds the ref of a source, and what changes there.

        Refused, with a reason that names the file, where no place holds the ref that the change starts from,
        or several do.
        """
        why = may_write(element, self._junction_refs and self._central)
        if why is not None:
            raise Refused(why)
        if junction_of(element) is not None:
            return self._behind_junction(element.rpartition(":")[2], change)
        return self._in_project_refs(element, change) if self._central else self._inline(element, change)

    def _behind_junction(self, element: str, change: Change) -> Found:
        # BuildStream finds it under the name of its own project, which stands in no file here.
        projects = self.document(PROJECT_REFS).value.get("projects")
        listed = projects.items() if isinstance(projects, dict) else ()
        others = [(name, of) for name, of in listed if name != self.name]
        named = [name for name, of in others if isinstance(of, dict) and element in of]
        if len(named) != 1:
            where = f"{len(named)} other projects have" if named else "no other project has"
            raise Refused(
                f"{PROJECT_REFS}: {where} {element} in it: write its first ref with bst source track"
            )
        return self._central_ref(
            PROJECT_REFS, edits.project_refs_path(named[0], element, change.index), change
        )

    def _in_project_refs(self, element: str, change: Change) -> Found:
        # project.refs has no kinds: the element shows whether its sources are others by now.
        own = self.element_file(element)
        sources = self.document(own).value.get("sources")
        if isinstance(sources, list):
            listed = sources[change.index] if change.index < len(sources) else None
            if not isinstance(listed, dict) or listed.get("kind", change.kind) != change.kind:
                raise Refused(f"{own}: source {change.index} is not of kind {change.kind}")
        # What is needed to load the others is kept apart (`Source._project_refs` of BuildStream).
        path = JUNCTION_REFS if self.document(own).value.get("kind") == "junction" else PROJECT_REFS
        return self._central_ref(path, edits.project_refs_path(self.name, element, change.index), change)

    def _central_ref(self, path: str, place: Path, change: Change) -> Found:
        document = self.document(path)
        asked = edits.ref_changes(document, place, change.base, change.ref)
        if not _holds(document, asked):
            raise Refused(f"{path}: {_mismatch(document, place, change)}")
        return Found(path=path, changes=left_of(document, asked))

    def _inline(self, element: str, change: Change) -> Found:
        own = self.element_file(element)
        place: Path = ("sources", change.index)
        listed = self._fitting(own, place, change)
        if listed is not None:
            return listed
        document = self.document(own)
        if self._is_source(own, place, change) and not _includes(document, place):
            # It is this one. Another of the same kind and repository may be at the very ref.
            raise Refused(f"{own}: {_mismatch(document, place, change)}")
        found = [
            fitting
            for path in self.with_included(own)
            for other in edits.sources_of_kind(self.document(path), change.kind)
            if (fitting := self._fitting(path, other, change)) is not None
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise Refused(f"{own}: the ref of source {change.index} stands in {len(found)} places")
        raise Refused(
            f"{own}: neither it nor what it includes from this project holds a {change.kind} source"
            f" at {_shown(change.base)}"
        )

    def element_file(self, element: str) -> str:
        """Return the path of an element's file; Refused where there is none."""
        path = _tidy(f"{self._elements}/{element}")
        if self.text(path) is None:
            raise Refused(f"{path} is not there")
        return path

    def _fitting(self, path: str, place: Path, change: Change) -> Found | None:
        if not self._is_source(path, place, change):
            return None
        document = self.document(path)
        asked = edits.ref_changes(document, place, change.base, change.ref)
        return Found(path=path, changes=left_of(document, asked)) if _holds(document, asked) else None

    def _is_source(self, path: str, place: Path, change: Change) -> bool:
        value = edits.value_at(self.document(path).value, place)
        if not isinstance(value, dict):
            return False
        # Of a newer version the URL may be there already, or not yet.
        urls = (change.url,) if change.base_url is None else (change.base_url, change.url)
        if not any(fits(value.get("url"), url) for url in urls):
            return False
        return value.get("kind", change.kind if _INCLUDE in value else None) == change.kind

    def with_included(self, path: str) -> list[str]:
        """Return `path` and all files of this project that are included there, or by those."""
        paths = [path]
        for known in paths:
            for other in map(_tidy, _included(self.document(known).value)):
                # `junction.bst:file` is another project's, whose files are not here.
                if ":" not in other and other not in paths:
                    paths.append(other)
            if len(paths) > MAX_INCLUDED:
                raise Refused(f"{path} includes more than {MAX_INCLUDED} files")
        return paths


def _included(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        named = value.get(_INCLUDE, [])
        yield from (name for name in ([named] if isinstance(named, str) else named) if isinstance(name, str))
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _included(item)


def _tidy(path: str) -> str:
    """Return a path in the one form by which its file is known; `..` stays, to be refused."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def fits(written: Any, url: str | None) -> bool:
    """Return whether a URL as it stands in a file may be `url`, whose alias and variables are resolved."""
    if not isinstance(written, str) or url is None or "%{" in written:
        return True
    return written == url if "://" in written else url.endswith(written.partition(":")[2] or written)


def _holds(document: Mapping, asked: Sequence[edits.Change]) -> bool:
    return all(
        (edits.value_at(document.value, change.path) or None) in (change.before or None, change.after)
        for change in asked
    )


def left_of(document: Mapping, asked: Sequence[edits.Change]) -> tuple[edits.Change, ...]:
    """Return those of the changes that the document does not have already."""
    return tuple(change for change in asked if edits.value_at(document.value, change.path) != change.after)


def _mismatch(document: Mapping, place: Path, change: Change) -> str:
    value = edits.value_at(document.value, place)
    keys = change.base if isinstance(change.base, dict) else {"ref": change.base}
    holds = {key: value[key] for key in keys if key in value} if isinstance(value, dict) else {}
    ref = holds.get("ref") if holds.keys() <= {"ref"} else holds
    return (
        f"source {change.index} is at {_shown(ref)}, and what was announced begins at {_shown(change.base)}"
    )


def _shown(ref: Any) -> str:
    if ref is None:
        return "no ref"
    shown = ref if isinstance(ref, str) else repr(ref)
    return shown if len(shown) <= 80 else shown[:77] + "…"


def _includes(document: Mapping, place: Path) -> bool:
    value = edits.value_at(document.value, place)
    return next(_included(value), None) is not None

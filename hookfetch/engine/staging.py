"""Stage `git`, `git_repo`, `git_tag` and `tar` sources from what their plugins keep, without a checkout.

Downloading stays the plugins'. Whatever this is not certain of it raises as `Unsuited`.
"""

import inspect
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hookfetch.cas.clone_template import CloneTemplate
from hookfetch.cas.directories import EMPTY, Directory, Unsuited
from hookfetch.cas.git_objects import GitObjects
from hookfetch.cas.git_sources import GitSources, content_of, new_template
from hookfetch.cas.proof import Published
from hookfetch.cas.publishing import Publisher
from hookfetch.engine import mirrors, private_tar
from hookfetch.engine import private_api as bst
from hookfetch.engine.source_mirrors import downloading

# `v1.2-5-g<commit>` or just the commit, as all three kinds write a ref.
_REF = re.compile(r"(?:(?P<tag>.+)-(?P<since>[0-9]+)-g)?(?P<commit>[0-9a-f]{40})")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a source stages: a commit in the mirror that its plugin keeps, and the tag it stages with it,
    which is `exact` if it is said to be at the commit itself."""

    mirror: Path
    commit: bytes
    tag: str | None
    exact: bool

    def is_there(self) -> bool:
        if not (self.mirror / "objects").is_dir():
            return False
        with GitObjects(self.mirror) as objects:
            if not objects.has(self.commit):
                return False
            tagged = self.commit if self.tag is None else objects.commit_of(f"refs/tags/{self.tag}")
            return tagged == self.commit if self.exact else tagged is not None


class Staging:
    """Makes staged sources from mirrors. `plugins` are the files of the plugins that it stands in for, by
    kind; a project may have others under the same names. `clone` is needed for `git_tag` alone."""

    def __init__(self, plugins: Mapping[str, str], clone: CloneTemplate | None = None) -> None:
        self._plugins = plugins
        self._sources = GitSources(new_template(), clone)

    def serves(self, sources: Iterable[Any]) -> bool:
        """Return whether `sources` are some, all of plugins that this stands in for."""
        listed = list(sources)
        return bool(listed) and all(
            self._plugins.get(source.get_kind()) == plugin_file(source) for source in listed
        )

    def download(self, sources: Sequence[Any]) -> None:
        """Have each source's commit in its mirror, or its file; whatever its plugin raises is passed on."""
        with downloading(sources):
            for source in sources:
                if source.get_kind() == "tar":
                    if not source.is_cached():
                        bst.download(source)
                    continue
                wanted = _wanted(source)
                if not wanted.is_there():
                    mirrors.refresh_for_fetching([source])
                if not wanted.is_there():
                    bst.download(source)

    def stage(self, sources: Iterable[Any], stack: ExitStack) -> "Staged":
        """Return what `sources` stage together and each alone. What they are read from is open in `stack`."""
        alone: dict[str, Directory] = {}
        opened: list[GitObjects] = []
        root = EMPTY
        for source in sources:
            # Here a project's fatal warnings are raised, as before BuildStream stages.
            source.validate_cache()
            if source.get_kind() == "tar":
                staged = private_tar.staged(source, stack)
            else:
                wanted = _wanted(source)
                opened.append(stack.enter_context(GitObjects(wanted.mirror)))
                staged = self._stage(source, wanted, opened[-1])
            alone[bst.source_key(source)] = staged
            root = root.beside(staged.under(bst.directory_of(source)))
        return Staged(root, alone, opened)

    def _stage(self, source: Any, wanted: _Wanted, objects: GitObjects) -> Directory:
        if source.get_kind() == "git_repo":
            return self._sources.git_repo(objects, wanted.commit, wanted.tag)
        ref = source.mirror.ref
        if wanted.commit.hex() != ref and objects.names(ref):
            raise Unsuited(f"{ref} is also the name of a ref")
        if source.get_kind() == "git_tag":
            if source.use_lfs:
                raise Unsuited("large files are kept elsewhere")
            return self._sources.git_tag(objects, wanted.mirror, ref, wanted.commit)
        if source.mirror.tags:
            raise Unsuited("a git source with tags, which stages a .git of its own")
        return self._sources.git(objects, wanted.commit)


@dataclass(frozen=True, slots=True)
class Staged:
    """An element's staged sources, each by its key, and the open mirrors with the content of those of git."""

    root: Directory
    sources: Mapping[str, Directory]
    mirrors: list[GitObjects]

    def publish(self, publisher: Publisher, element_key: str) -> Published:
        """Put everything into the source cache; Temporary when it is not there."""
        return publisher.publish(element_key, self.root, self.sources, partial(content_of, self.mirrors))


def plugin_file(source: Any) -> str:
    """Return the path of the module that a source's plugin was loaded from."""
    return inspect.getfile(type(source))


def _wanted(source: Any) -> _Wanted:
    described = source.get_kind() == "git_repo"
    found = _match(source.ref if described else source.mirror.ref)
    return _Wanted(
        mirror=mirrors.mirror_of(source),
        commit=bytes.fromhex(found["commit"]),
        tag=found["tag"] if described else None,
        exact=not described or found["since"] in (None, "0"),
    )


def _match(ref: str) -> re.Match[str]:
    found = _REF.fullmatch(ref)
    if found is None:
        raise Unsuited(f"a ref that is no commit: {ref}")
    return found

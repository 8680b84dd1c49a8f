"""Answer in this process what `git` and `git_tag` ask git while they track, where the answer is certain.

The plugin decides; nothing of it is changed. It runs git for a fetch that has just been made, and for what
can be read from its mirror; any other question, or one whose answer is not certain, is git's.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pygit2 import GitError

from hookfetch.cas.directories import Unsuited
from hookfetch.cas.git_objects import GitObjects
from hookfetch.engine.nearest_tag import describe
from hookfetch.engine.private_mirrors import with_those_made_of

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./+-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DESCRIBED = re.compile(r"(?:.+-g)?([0-9a-f]{40})")
# How each kind asks for all branches and tags.
_ALL = (("--tags", "--force"), ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"))
_NO_NAMES = 128  # how `git describe` ends without a tag

Answer = tuple[int, str]  # how git would end, and what it would print


def answer_tracking(source: Any, mirror: Path, url: str) -> None:
    """Have the plugin of a `git` or `git_tag` source told what is certain of its `mirror`, all of which has
    just been fetched from `url`; nothing where what it follows may be no branch."""
    with_those_made_of(source, lambda each: _answer(each, mirror, url))


def _answer(source: Any, mirror: Path, url: str) -> None:
    lookups = _Lookups(source, mirror, url)
    if lookups.knows_all():
        source.call = lookups.call
        source.check_output = lookups.check_output


class _Lookups:
    """In the place of the methods by which a plugin runs git."""

    def __init__(self, source: Any, mirror: Path, url: str) -> None:
        self._git = source.host_git
        self._call = source.call
        self._check_output = source.check_output
        self._followed: list[str] = [source.tracking or "", *getattr(source, "track_extra", ())]
        self._mirror = mirror
        self._url = url

    def knows_all(self) -> bool:
        """Return whether all that the source follows are branches, and no names of anything else."""
        try:
            with GitObjects(self._mirror) as objects:
                return all(self._branch(objects, name) is not None for name in self._followed)
        except GitError:
            return False  # damaged: git says how

    def call(self, args: Any, *more: Any, **options: Any) -> int:
        """Do as `Plugin.call`."""
        answer = self._answer(args, more, options)
        return int(self._call(args, *more, **options)) if answer is None else answer[0]

    def check_output(self, args: Any, *more: Any, **options: Any) -> Answer:
        """Do as `Plugin.check_output`."""
        answer = self._answer(args, more, options)
        if answer is None:
            code, output = self._check_output(args, *more, **options)
            return code, output
        return answer

    def _answer(self, args: Any, more: Sequence[Any], options: dict[str, Any]) -> Answer | None:
        """Return the answer if it is certain. Where git would fail, the plugin must not have asked for an
        error."""
        plain = not more and options.keys() <= {"cwd", "fail", "fail_temporarily"}
        if not plain or Path(options.get("cwd") or "") != self._mirror or args[0] != self._git:
            return None
        if args[1:3] == ["fetch", "--prune"] and tuple(args[3:]) in ((self._url, *each) for each in _ALL):
            return 0, ""
        try:
            with GitObjects(self._mirror) as objects:
                answer = self._looked_up(objects, list(args[1:]))
        except (GitError, KeyError, Unsuited):
            return None  # git says it better
        return None if answer is not None and answer[0] and options.get("fail") else answer

    def _looked_up(self, objects: GitObjects, args: list[str]) -> Answer | None:
        match args:
            case ["rev-parse", name] | ["rev-list", "-n", "1", name]:
                commit = self._branch(objects, name)
                return None if commit is None else (0, f"{commit.hex()}\n")
            case ["describe", "--tags", "--abbrev=40", "--long", commit] if _COMMIT.fullmatch(commit):
                told = describe(objects, bytes.fromhex(commit))
                if told is None:
                    return None
                return (0, f"{told}\n") if told else (_NO_NAMES, "")
            # It is told only to choose among branches, and a user may have git print more than the time.
            case ["show", "-s", "--format=%ct", ref] if len(self._followed) == 1:
                found = _DESCRIBED.fullmatch(ref)
                if found is None or objects.names(ref):
                    return None
                return 0, f"{objects.time(bytes.fromhex(found[1]))}\n"
        return None

    def _branch(self, objects: GitObjects, name: str) -> bytes | None:
        """Return the commit of the branch `name`; None if git might take that for something else:
        gitrevisions(7)."""
        if not _NAME.fullmatch(name) or _COMMIT.fullmatch(name) or (self._mirror / name).exists():
            return None
        if any(objects.ref(f"refs/{place}{name}") is not None for place in ("", "tags/")):
            return None
        return objects.ref(f"refs/heads/{name}")

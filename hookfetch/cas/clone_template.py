"""What git puts into every clone that it makes on this machine, for this user: found out by making one."""

import re
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pygit2

from hookfetch.cas.directories import File, Unsuited, digest_of

# What git writes into its configuration as it is.
_PLAIN = re.compile(r"[A-Za-z0-9_./+@,=:~-]+")
_LOGGED = re.compile(rb"(?m)^([0-9a-f]{40} [0-9a-f]{40} .*>) [0-9]+ [+-][0-9]{4}\t")
_COMMITS = 82  # bytes before who is named
# What is of the one repository alone: gitrepository-layout(5).
_OWN = re.compile(
    r"HEAD|config|index|packed-refs|(objects/pack|refs/[a-z]+)/.*|(logs|objects/[0-9a-f]{2}|refs/remotes)(/.*)?"
)
_BRANCH = "hookfetch/branch"
_WITHIN = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class CloneTemplate:
    """Files by path in `.git`, and directories that may be empty. `config` is that of a clone of `origin`
    whose branch is `branch`; `person` is whom the logs name."""

    files: Mapping[str, File]
    directories: frozenset[str]
    config: str
    origin: str
    branch: str
    person: bytes

    def config_of(self, origin: str, branch: str) -> bytes:
        """Return the configuration of another clone; Unsuited if git might write its names otherwise."""
        if not (_PLAIN.fullmatch(origin) and _PLAIN.fullmatch(branch)):
            raise Unsuited(f"git may have to quote {origin} or {branch}")
        return self.config.replace(self.origin, origin).replace(self.branch, branch).encode()


def new_clone_template() -> CloneTemplate:
    """Clone a small repository and look; Unsuited when git cannot, or keeps no logs."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-template-") as folder:
        origin, clone = Path(folder) / "origin", Path(folder) / "clone"
        commit = _write_repository(origin)
        # As the plugin does it.
        _git(Path(folder), "clone", "--no-checkout", "--no-hardlinks", str(origin), str(clone))
        _git(clone, "checkout", "--force", commit)
        root = clone / ".git"
        found = {str(path.relative_to(root)): path for path in sorted(root.rglob("*"))}
        common = {name: path for name, path in found.items() if not _OWN.fullmatch(name)}
        if "logs/HEAD" not in found:
            raise Unsuited("git keeps no logs here")
        return CloneTemplate(
            files={name: _file(path) for name, path in common.items() if path.is_file()},
            directories=frozenset(name for name, path in common.items() if path.is_dir()),
            config=(root / "config").read_text(encoding="utf-8"),
            origin=str(origin),
            branch=_BRANCH,
            person=_person_in((root / "logs/HEAD").read_bytes()),
        )


def without_times(log: bytes) -> bytes:
    """Return a log of git's with one second for each time: with none git takes a line for damaged."""
    return _LOGGED.sub(rb"\1 1 +0000\t", log)


def _person_in(log: bytes) -> bytes:
    found = _LOGGED.match(log)
    if found is None:
        raise Unsuited("git's logs have another form here")
    return found[1][_COMMITS:]


def _file(path: Path) -> File:
    if path.is_symlink():
        raise Unsuited(f"git puts a link into clones: {path.name}")
    data = path.read_bytes()
    return File(digest_of(data), data, executable=bool(path.stat().st_mode & 0o100))


def _write_repository(path: Path) -> str:
    repository = pygit2.init_repository(str(path), bare=True, initial_head=_BRANCH)
    someone = pygit2.Signature("hookfetch", "hookfetch@localhost", 0, 0)
    tree = repository.TreeBuilder().write()
    return str(repository.create_commit(f"refs/heads/{_BRANCH}", someone, someone, "x\n", tree, []))


def _git(place: Path, *arguments: str) -> None:
    done = subprocess.run(
        ["git", *arguments],
        cwd=place,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_WITHIN,
        check=False,
    )
    if done.returncode:
        raise Unsuited(f"git {arguments[0]} fails: {' '.join(done.stderr.split())[:300]}")

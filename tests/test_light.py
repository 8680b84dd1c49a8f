"""`pip install hookfetch` brings what a client needs, and no more: without the service's libraries it works,
and what needs them says how they come."""

import re
import subprocess
import sys
from importlib.metadata import distribution, packages_distributions, requires
from pathlib import Path

import pytest

# Runs the command as it would be where only some distributions are installed: `sys.argv[1]` names those.
_WITH_ONLY = """
import sys
from importlib.abc import MetaPathFinder

absent = frozenset(sys.argv[1].split(","))

class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Absent())
sys.argv[:] = ["hookfetch", *sys.argv[2:]]
from hookfetch.cli import main
main()
"""


def _named(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _brought_by(name: str) -> set[str]:
    """Return the distributions that installing `name` without extras brings, itself included."""
    found: set[str] = set()
    wanted = [name]
    while wanted:
        one = wanted.pop()
        if one in found:
            continue
        found.add(one)
        wanted.extend(_named(line) for line in requires(one) or () if "extra ==" not in line)
    return found


@pytest.fixture(scope="module")
def absent() -> str:
    """The modules that a light installation lacks, of those that are installed here."""
    light = _brought_by("hookfetch")
    lacking = [
        module
        for module, distributions in packages_distributions().items()
        if not any(_named(one) in light for one in distributions)
    ]
    assert {"buildstream", "aiohttp", "msgspec", "dulwich"} <= set(lacking)
    return ",".join(lacking)


def _hookfetch(absent: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _WITH_ONLY, absent, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parent,
    )


@pytest.mark.parametrize(
    "command",
    [
        ("track", "--project", "p", "a.bst"),
        ("state",),
        ("elements", "list"),
    ],
    ids=lambda command: command[0],
)
def test_a_light_installation_asks_a_service(absent: str, command: tuple[str, ...]) -> None:
    # Nothing listens at port 1: the command comes as far as the connection, and says so.
    ended = _hookfetch(absent, *command, "--server", "127.0.0.1:1")
    assert (ended.returncode, ended.stdout) == (3, ""), ended.stderr
    assert "connect" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("command", ["serve", "updates"])
def test_what_needs_the_service_says_what_to_install(absent: str, command: str) -> None:
    ended = _hookfetch(absent, command)
    assert ended.returncode == 2
    [line] = ended.stderr.splitlines()
    assert "pip install 'hookfetch[server]'" in line


def test_installing_the_client_brings_few_distributions() -> None:
    names = _brought_by("hookfetch")
    assert not names & {_named(line) for line in requires("hookfetch") or () if 'extra == "server"' in line}
    assert len(names) <= 16
    size = sum(
        file.locate().stat().st_size
        for name in names - {"hookfetch"}
        for file in distribution(name).files or ()
        if file.locate().is_file()
    )
    assert size < 80e6  # as installed, of which two thirds are grpcio

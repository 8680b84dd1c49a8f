import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.core.errors import Temporary
from hookfetch.core.observation import RemoteRef
from hookfetch.demo.upstreams import Repository, create_repository
from hookfetch.upstreams import git as module
from hookfetch.upstreams.ls_remote import ls_remote
from hookfetch.upstreams.pktline import packet
from tests.upstreams.serving import until

EVERYTHING = ("refs/heads/", "refs/tags/")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = create_repository(tmp_path, "glib")
    made.commit({"a": "1"}, "first")
    made.tag("v1", message="annotated")
    return made


@pytest.fixture
def ssh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stand-in for ssh: a shell script that the test writes; it gets `[options] host command`."""
    script = tmp_path / "ssh"
    script.touch(mode=0o755)
    monkeypatch.setenv("GIT_SSH_COMMAND", str(script))
    monkeypatch.setenv("GIT_SSH_VARIANT", "simple")
    return script


def write(script: Path, body: str) -> None:
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")


@pytest.mark.parametrize("form", ["ssh://git@example.org{path}", "git@example.org:{path}"])
async def test_refs_come_over_ssh_with_peeled_tags(repository: Repository, ssh: Path, form: str) -> None:
    write(ssh, 'shift; exec sh -c "$*"')
    commit = repository.commit_of("refs/heads/main")
    tag = repository.commit_of("refs/tags/v1")
    assert commit is not None
    assert tag is not None
    refs = await ls_remote(form.format(path=repository.path), EVERYTHING, 10)
    assert refs == {
        "refs/heads/main": RemoteRef(oid=commit),
        "refs/tags/v1": RemoteRef(oid=tag, peeled=commit),
    }


async def test_only_what_has_a_prefix_is_listed(repository: Repository, ssh: Path) -> None:
    write(ssh, 'shift; exec sh -c "$*"')
    assert list(await ls_remote(f"example.org:{repository.path}", ("refs/tags/",), 10)) == ["refs/tags/v1"]


async def test_an_ssh_that_hangs_costs_the_time_limit(ssh: Path) -> None:
    write(ssh, "sleep 60")
    started = time.monotonic()
    with pytest.raises(Temporary, match="no complete answer"):
        await ls_remote("example.org:glib.git", EVERYTHING, 0.3)
    assert time.monotonic() - started < 10


async def test_a_look_that_is_broken_off_leaves_no_child(tmp_path: Path, ssh: Path) -> None:
    child = tmp_path / "child"
    write(ssh, f"sleep 60 & echo $! > {child}.new; mv {child}.new {child}; wait")
    look = asyncio.create_task(ls_remote("example.org:glib.git", EVERYTHING, 60))
    await until(child.exists)
    look.cancel()
    await asyncio.wait([look])
    pid = int(child.read_text(encoding="utf-8"))
    await until(lambda: not _runs(pid))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # dead, only not yet collected by the system's init


async def test_the_last_line_of_what_git_says_is_the_reason(ssh: Path) -> None:
    write(ssh, "echo Permission denied >&2; exit 255")
    with pytest.raises(Temporary, match="git ls-remote: ") as error:
        await ls_remote("example.org:glib.git", EVERYTHING, 10)
    assert "\n" not in str(error.value)


async def test_an_answer_that_is_too_long_is_refused(ssh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ANSWER", 1000)
    lines = [packet(f"{'a' * 40} refs/heads/{number}".encode()).decode() for number in range(100)]
    write(ssh, f"printf '{''.join(lines)}0000'; cat")
    with pytest.raises(Temporary, match="more than 1000 bytes"):
        await ls_remote("example.org:glib.git", EVERYTHING, 5)


@pytest.mark.parametrize(
    "url", ["ext::sh -c 'touch {file}'", "--upload-pack=touch {file}", "file://{folder}/glib.git"]
)
async def test_a_url_is_never_a_command_an_option_or_a_file(
    repository: Repository, tmp_path: Path, url: str
) -> None:
    file = tmp_path / "made"
    with pytest.raises(Temporary):
        await ls_remote(url.format(file=file, folder=tmp_path), EVERYTHING, 10)
    assert not file.exists()


async def test_the_git_protocol_is_spoken(repository: Repository, tmp_path: Path) -> None:
    daemon, port = await _daemon(tmp_path)
    try:
        refs = await ls_remote(f"git://127.0.0.1:{port}/glib.git", EVERYTHING, 10)
    finally:
        os.killpg(daemon.pid, signal.SIGTERM)
        await daemon.wait()
    assert sorted(refs) == ["refs/heads/main", "refs/tags/v1"]


async def _daemon(root: Path) -> tuple[asyncio.subprocess.Process, int]:
    for port in range(20_000 + os.getpid() % 20_000, 65_000, 997):
        daemon = await asyncio.create_subprocess_exec(
            *("git", "daemon", "--verbose", "--export-all", "--listen=127.0.0.1", f"--port={port}"),
            f"--base-path={root}",
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        assert daemon.stderr is not None
        if b"Ready to rumble" in await daemon.stderr.readline():
            return daemon, port
        await daemon.wait()
    raise AssertionError("no free port for git daemon")

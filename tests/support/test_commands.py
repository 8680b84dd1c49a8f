"""A command that a fork has become is the command that is typed."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.commands import Running, run


@pytest.mark.parametrize(
    "arguments", [("--help",), ("serve", "--config", "none.toml"), ("track", "--nonsense")]
)
def test_it_prints_and_ends_as_the_typed_one(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    typed = subprocess.run(
        [sys.executable, "-m", "hookfetch", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (typed.returncode, typed.stdout, typed.stderr)


def test_it_has_the_folder_the_environment_and_the_input_that_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "hookfetch.toml").write_text("state_dir = 7\n")
    found = run("serve", cwd=tmp_path, environment={"COLUMNS": "40"})
    assert (found.returncode, "state_dir" in found.stderr) == (2, True)
    narrow = run("--help", environment={"COLUMNS": "40"}).stdout
    assert len(narrow.splitlines()) > len(run("--help").stdout.splitlines())
    assert '"outcome": "error"' in run("inspect", "feed", stdin="no JSON\n").stdout


async def test_a_killed_one_says_so_and_an_ended_one_is_signalled_no_more(tmp_path: Path) -> None:
    (tmp_path / "hookfetch.toml").write_text('state_dir = "state"\n[ingress]\nlisten = "127.0.0.1:0"\n')
    command = ("serve", "--config", str(tmp_path / "hookfetch.toml"), "--log", "json")
    process = await Running.start(*command)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        assert b"timestamp" in await process.stderr.readline()
        process.kill()
        assert await process.wait() == process.returncode == -signal.SIGKILL
    with pytest.raises(ProcessLookupError):
        process.terminate()
    assert not psutil.pid_exists(process.pid)

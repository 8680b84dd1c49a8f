"""The command as a user types it: exit codes and one-line errors."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hookfetch.demo.lab import free_port
from tests.support.commands import run


def test_a_broken_configuration_ends_with_2_and_one_line(tmp_path: Path) -> None:
    file = tmp_path / "hookfetch.toml"
    file.write_text("[sweep]\ninterval_least = 'often'\n")
    # As it is typed; the tests below go by the fork of a process that has imported all this.
    done = subprocess.run(
        [sys.executable, "-m", "hookfetch", "serve", "--config", str(file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"{file}: sweep.interval_least: " in done.stderr


@pytest.mark.parametrize(
    ("forge", "secret", "reason"),
    [
        (
            "gitweb",
            "hook.secret",
            "forge 'gitweb' is unknown; known are anitya, azure_devops, bitbucket,",
        ),
        ("github", "nothing", "hook h: the secret cannot be read"),
    ],
)
def test_an_unknown_forge_or_a_missing_secret_is_named(
    tmp_path: Path, forge: str, secret: str, reason: str
) -> None:
    (tmp_path / "hook.secret").write_text("s")
    file = tmp_path / "hookfetch.toml"
    file.write_text(
        f"state_dir = 'state'\n[[hook]]\nname = 'h'\nforge = '{forge}'\nsecret_files = ['{secret}']\n"
    )
    done = run("serve", "--config", str(file))
    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_role_alone_needs_a_broker(tmp_path: Path) -> None:
    file = tmp_path / "hookfetch.toml"
    file.write_text("state_dir = 'state'\n")
    done = run("serve", "--config", str(file), "--role", "ingress")
    assert (done.returncode, "bus.url" in done.stderr) == (2, True)


def test_a_service_that_is_not_there_ends_with_3(tmp_path: Path) -> None:
    server = f"127.0.0.1:{free_port()}"
    done = run("track", "--project", "p", "--server", server, "a.bst")
    assert done.returncode == 3
    assert done.stderr.splitlines()[-1].startswith("hookfetch: failed to connect")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for(shell: str) -> None:
    done = run("completion", shell)
    assert done.returncode == 0
    assert "_HOOKFETCH_COMPLETE" in done.stdout


def test_inspect_answers_each_line_in_order() -> None:
    lines = [
        {"id": str(number), "forge": "github", "secret": "s", "headers": {}, "body_base64": "e30="}
        for number in range(3)
    ]
    done = run("inspect", "delivery", stdin="".join(json.dumps(line) + "\n" for line in lines))
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(a["id"], a["outcome"], a["code"]) for a in answers] == [
        (str(n), "rejected", "signature") for n in range(3)
    ]


def test_half_a_question_to_affected_is_a_usage_error(tmp_path: Path) -> None:
    file = tmp_path / "hookfetch.toml"
    file.write_text("state_dir = 'state'\n[[project]]\nname = 'p'\npath = 'p'\n")
    done = run("affected", "--config", str(file), "--project", "p", "--repo", "https://x.org/y")
    assert done.returncode == 2
    assert "--ref" in done.stderr


def test_affected_knows_only_configured_projects(tmp_path: Path) -> None:
    file = tmp_path / "hookfetch.toml"
    file.write_text("state_dir = 'state'\n")
    done = run("affected", "--config", str(file), "--project", "p", "--repo", "https://x.org/y", "--ref", "m")
    assert done.returncode == 2
    assert "no project 'p'" in done.stderr

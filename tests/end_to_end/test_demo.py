"""`hookfetch demo` as a newcomer types it."""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest


def demo(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "hookfetch", "demo", *arguments],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


@pytest.mark.engine
def test_the_demo_observes_every_step_and_prints_the_timeline() -> None:
    done = demo()
    assert done.returncode == 0, done.stderr
    for step in ("202", "alpha.bst", "new ref", "proved cached", "gRPC watcher", "upstream stopped"):
        assert step in done.stdout


@pytest.mark.engine
@pytest.mark.broker
def test_the_demo_over_rabbitmq_with_a_process_for_each_role(amqp_url: str) -> None:
    done = demo("--json", "--amqp", amqp_url)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"]
    assert [step["step"] for step in result["steps"]][:2] == [
        "202, the delivery is on disk",
        "one affected element of four",
    ]
    assert all(step["milliseconds"] > 0 for step in result["steps"])


@pytest.mark.engine
def test_a_kept_demo_stays_until_interrupted_and_then_leaves_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hookfetch", "demo", "--keep", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        result = json.loads(process.stdout.readline())
        folder = Path(result["addresses"]["folder"])
        assert folder.is_dir()
        started = psutil.Process(process.pid).children(recursive=True)
        assert started
    finally:
        process.terminate()
        code = process.wait(60)
    assert code == 130
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert not folder.exists()

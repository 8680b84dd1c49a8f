"""`hookfetch demo` as a newcomer types it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest


@pytest.mark.engine
@pytest.mark.broker
def test_the_demo_over_rabbitmq_with_a_process_for_each_role(amqp_url: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hookfetch", "demo", "--json", "--amqp", amqp_url],
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ok"]
    assert [step["step"] for step in result["steps"]][:2] == [
        "202, the delivery is on disk",
        "one affected element of four",
    ]
    assert all(step["milliseconds"] > 0 for step in result["steps"])


@pytest.mark.engine
def test_a_kept_demo_prints_every_step_stays_until_interrupted_and_then_leaves_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "hookfetch", "demo", "--keep"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = ""
        while (found := re.search(r"^  folder +(.+)\n", said, re.MULTILINE)) is None:
            line = process.stdout.readline()
            assert line, said  # it ended
            said += line
        for step in ("202", "alpha.bst", "new ref", "proved cached", "gRPC watcher", "upstream stopped"):
            assert step in said
        folder = Path(found[1])
        assert folder.is_dir()
        started = psutil.Process(process.pid).children(recursive=True)
        assert started
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 130
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert not folder.exists()

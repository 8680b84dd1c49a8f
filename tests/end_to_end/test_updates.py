"""What the service announces is written into a checkout of its project."""

import asyncio
import json
import subprocess
import sys

import pytest

from tests.end_to_end.conftest import WITHIN, Service, Start

pytestmark = pytest.mark.engine


async def test_announced_refs_come_as_a_diff_that_git_applies_and_as_json(start: Start) -> None:
    service = await start(None)
    await service.ready()
    project = service.lab.root / "project"
    before, after = await service.push("alpha", "moved")
    await service.post("alpha", before, after)
    await service.updates(1)
    element = project / "elements/alpha.bst"
    old = element.read_bytes()
    new = old.replace(before.encode(), after.encode())
    assert old != new

    code, diff, said = await _updates(service)
    assert (code, said) == (0, b"")
    assert element.read_bytes() == old
    await _run(["git", "apply", "--check"], service, diff)
    await _run(["git", "apply"], service, diff)
    assert element.read_bytes() == new
    assert await _updates(service) == (0, b"", b"hookfetch: already here: 1 of the proposed elements\n")

    element.write_bytes(old)
    code, printed, _ = await _updates(service, "--format", "json", "--write")
    found = json.loads(printed)
    assert element.read_bytes() == new
    assert found["files"] == [{"path": "elements/alpha.bst", "text": new.decode()}]
    assert [update["element"] for update in found["updates"]] == ["alpha.bst"]
    assert (found["landed"], found["refused"]) == ([], [])

    element.write_bytes(old.replace(before.encode(), b"0" * 40))
    code, printed, said = await _updates(service)
    assert (code, printed) == (1, b"")
    assert said.decode() == (
        "hookfetch: alpha.bst is left as it is: elements/alpha.bst: source 0 is at "
        f"{'0' * 40}, and what was announced begins at {before}\n"
    )


async def _updates(service: Service, *options: str) -> tuple[int, bytes, bytes]:
    command = [sys.executable, "-m", "hookfetch", "updates", "--server", service.lab.grpc]
    done = await _run([*command, "--project", service.lab.project, *options], service, check=False)
    return done.returncode, done.stdout, done.stderr


async def _run(
    command: list[str], service: Service, given: bytes = b"", *, check: bool = True
) -> "subprocess.CompletedProcess[bytes]":
    return await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=service.lab.root / "project",
        input=given,
        capture_output=True,
        timeout=WITHIN,
        check=check,
    )

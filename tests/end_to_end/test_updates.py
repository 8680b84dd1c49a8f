"""What the service announces is written into a checkout of its project."""

import asyncio
import json
import subprocess

import pytest

from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.commands import run

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
    await _git(service, "apply", "--check", given=diff)
    await _git(service, "apply", given=diff)
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
    done = await asyncio.to_thread(
        run,
        *("updates", "--server", service.lab.grpc, "--project", service.lab.project, *options),
        cwd=service.lab.root / "project",
    )
    return done.returncode, done.stdout.encode(), done.stderr.encode()


async def _git(service: Service, *arguments: str, given: bytes) -> None:
    await asyncio.to_thread(
        subprocess.run,
        ["git", *arguments],
        cwd=service.lab.root / "project",
        input=given,
        capture_output=True,
        timeout=WITHIN,
        check=True,
    )

"""A service gives its clients the unstaged originals of what its workers have fetched."""

import asyncio
import subprocess

from hookfetch.demo.lab import free_port
from tests.end_to_end.conftest import Start


async def test_what_was_pushed_upstream_is_cloned_from_the_service_while_the_upstream_is_away(
    start: Start,
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    service = await start(settings=f'[originals]\nlisten = "{listen}"\n')
    await service.ready()
    before, after = await service.push("alpha", "new")
    await service.post("alpha", before, after)
    (update,) = await service.updates(1)
    assert update.element == "alpha.bst"
    upstream = service.lab.repositories["alpha"].url(service.lab.upstreams.url)
    await asyncio.to_thread(service.lab.upstreams.stop)
    url = f"http://{listen}/originals/git/{upstream.replace('://', '/')}"
    listed = await asyncio.to_thread(
        subprocess.run,
        ["git", "ls-remote", url, "refs/heads/main"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == f"{after}\trefs/heads/main\n"

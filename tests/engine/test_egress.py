"""An upstream sends nobody to a private address: not by a redirect, not by .gitmodules, not by a lock file.
What the project names itself may lie anywhere. All that these tests use lies on 127.0.0.1, so it is the port
that is named or not.
"""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web

from hookfetch.core.errors import ElementError
from hookfetch.demo.cache import SourceCache
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.lab import Bench, Lab, running
from tests.upstreams.serving import hang, raw_server, routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

STALL = 0.5  # seconds


@dataclass
class Places:
    """Two servers that redirect: to the second, to the lab's upstreams, or `inside`, which nobody names; and
    what came there."""

    inside: str = ""  # host:port
    first: str = ""
    second: str = ""
    came: list[bytes] = field(default_factory=list)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def places(upstreams: tuple[Path, UpstreamServer]) -> AsyncIterator[Places]:
    _, server = upstreams
    places = Places()

    async def note(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        places.came.append(await reader.read(1024))

    async def send_away(request: web.Request) -> web.StreamResponse:
        where, path = request.match_info["where"], request.match_info["path"]
        inside = {"inside": places.inside, "localhost": f"localhost:{places.inside.rpartition(':')[2]}"}
        goal = {
            "on": f"{places.second}/inside",
            "home": server.url,
            "decimal": f"http://{places.inside.replace('127.0.0.1', '2130706433')}",
            "mapped": f"http://{places.inside.replace('127.0.0.1', '[::ffff:127.0.0.1]')}",
            **{name: f"http://{place}" for name, place in inside.items()},
        }[where]
        raise web.HTTPFound(f"{goal}/{path}" + (f"?{request.query_string}" if request.query_string else ""))

    away = web.route("*", "/{where}/{path:.*}", send_away)
    async with AsyncExitStack() as stack:
        places.inside = await stack.enter_async_context(raw_server(note))
        places.first = await stack.enter_async_context(routes(away))
        places.second = await stack.enter_async_context(routes(away))
        yield places


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(
    tmp_path_factory: pytest.TempPathFactory,
    upstreams: tuple[Path, UpstreamServer],
    source_cache: SourceCache,
    places: Places,
) -> AsyncIterator[Bench]:
    """Two impatient processes, of a project that names the two servers that redirect."""
    root, server = upstreams
    (root / "egress").mkdir()
    lab = Lab(tmp_path_factory.mktemp("egress"), f"{server.url}/egress", root / "egress", "egress")
    lab.write_project(aliases={"up": f"{server.url}/", "first": f"{places.first}/", "second": places.second})
    lab.repository("glib")
    lab.tarball("glib.tar.gz", "text")
    for where in "inside", "on", "localhost", "decimal", "mapped", "home":
        folder = "egress/" if where == "home" else ""
        for kind in "git_repo", "git":
            url = f"first:{where}/{folder}glib.git"
            lab.element(f"{where}-{kind}.bst", {"kind": kind, "url": url, "track": "main"})
        lab.element(f"{where}-tar.bst", {"kind": "tar", "url": f"first:{where}/{folder}glib.tar.gz"})
    lab.element("inside-cpan.bst", {"kind": "cpan", "index": "first:inside/", "name": "X"})
    lab.element("inside-docker.bst", docker := {"kind": "docker", "image": "x", "track": "latest"})
    docker["registry-url"] = f"{places.first}/inside"
    lab.element("inside-docker.bst", docker)
    async with running(lab, source_cache.url, processes=2, stall=STALL) as bench:
        yield bench


async def refused(bench: Bench, name: str, **more: bool) -> str:
    """Return why the element is refused, as it is said to people."""
    with pytest.raises(ElementError) as error:
        await bench.run(name, **more)
    said = str(error.value)
    assert "\n" not in said
    assert len(said) < 600
    return said


@pytest.mark.parametrize("where", ["inside", "on", "localhost", "decimal", "mapped"])
@pytest.mark.parametrize("kind", ["git_repo", "git", "tar"])
async def test_a_redirect_to_a_private_address_is_refused_and_said(
    kind: str, where: str, guarded: Bench, places: Places
) -> None:
    workers = set(guarded.engine.pids)
    said = await refused(guarded, f"{where}-{kind}.bst")
    port = places.inside.rpartition(":")[2]
    assert re.search(rf":{port} is (a private address|at the private address)", said)
    assert "have the project name it" in said
    assert "Max retries" not in said
    assert not places.came
    assert workers <= set(guarded.engine.pids)  # it cost no other element a warm process


@pytest.mark.parametrize("kind", ["cpan", "docker"])
async def test_so_is_what_other_plugins_are_redirected_to(kind: str, guarded: Bench, places: Places) -> None:
    assert "is a private address, which the project does not name" in await refused(
        guarded, f"inside-{kind}.bst"
    )
    assert not places.came


@pytest.mark.parametrize("kind", ["git_repo", "git", "tar"])
async def test_a_redirect_to_what_the_project_names_is_followed(kind: str, guarded: Bench) -> None:
    assert (await guarded.run(f"home-{kind}.bst")).cached


@pytest.mark.parametrize("address", ["http://{}/x.git", "git://{}/x.git", "ssh://git@{}/x.git"])
async def test_gitmodules_of_an_upstream_lead_to_no_private_address(
    address: str, guarded: Bench, places: Places
) -> None:
    lab, name = guarded.lab, address.partition(":")[0]
    outer = lab.repository(f"outer-{name}")
    module = f'[submodule "sub"]\n\tpath = sub\n\turl = {address.format(places.inside)}\n'
    outer.commit({".gitmodules": module}, "declare it")
    outer.link("sub", "1" * 40, "have it")
    lab.element(f"sub-{name}.bst", {"kind": "git", "url": f"up:outer-{name}.git", "track": "main"})
    assert f"{places.inside} is a private address" in await refused(guarded, f"sub-{name}.bst")
    assert not places.came


async def test_gitmodules_of_an_upstream_name_no_folder_of_this_machine(guarded: Bench) -> None:
    lab = guarded.lab
    secret, outer = lab.repository("secret"), lab.repository("outer-folder")
    outer.commit({".gitmodules": f'[submodule "sub"]\n\tpath = sub\n\turl = {secret.path}\n'}, "declare it")
    outer.link("sub", str(secret.commit_of("refs/heads/main")), "have it")
    lab.element("folder.bst", {"kind": "git", "url": "up:outer-folder.git", "track": "main"})
    assert "is no address of another machine" in await refused(guarded, "folder.bst")


async def test_a_lock_file_of_an_upstream_leads_to_no_private_address(guarded: Bench, places: Places) -> None:
    lab = guarded.lab
    crate = f"git+http://{places.inside}/x#{'1' * 40}"
    lock = f'[[package]]\nname = "leaf"\nversion = "1.0.0"\nsource = "{crate}"\n'
    lab.repository("locked").commit({"Cargo.lock": lock}, "lock")
    lab.element(
        "locked.bst", {"kind": "git_repo", "url": "up:locked.git", "track": "main"}, {"kind": "cargo2"}
    )
    tracked = await refused(guarded, "locked.bst")
    assert f"{places.inside} is a private address" in tracked
    assert not places.came


@asynccontextmanager
async def git_daemon(root: Path) -> AsyncIterator[str]:
    """Serve the repositories below `root` by git's own protocol; yields `127.0.0.1:<port>`."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--listen=127.0.0.1", f"--port={port}", f"--base-path={root}", "--export-all", "--reuseaddr"]
    process = await asyncio.create_subprocess_exec(
        "git", "daemon", *options, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except ConnectionRefusedError:  # it has not begun to listen
                    await asyncio.sleep(0.01)
        writer.close()
        yield f"127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


@pytest.mark.parametrize("kind", ["git_repo", "git", "git_tag"])
async def test_repositories_are_fetched_by_the_protocol_of_git(kind: str, guarded: Bench) -> None:
    lab = guarded.lab
    async with git_daemon(lab.upstreams) as place:
        repository = lab.repository(f"own-{kind}")
        lab.element(
            f"own-{kind}.bst", {"kind": kind, "url": f"git://{place}/own-{kind}.git", "track": "main"}
        )
        for text in "one", "two":
            commit = repository.commit({"README": text}, text)
            finished = await guarded.run(f"own-{kind}.bst")
            assert finished.cached
            assert commit in str(finished.refs[0].ref)


async def test_ssh_meets_the_host_that_the_project_names(guarded: Bench) -> None:
    met = asyncio.get_running_loop().create_future()

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        met.set_result(await reader.readline())

    async with raw_server(greet) as place:
        lab = guarded.lab
        lab.element("shell.bst", {"kind": "git", "url": f"ssh://git@{place}/x.git", "track": "main"})
        await refused(guarded, "shell.bst")
        assert met.result().startswith(b"SSH-2.0-")


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"ff")  # of a line's length
    while not writer.is_closing():
        writer.write(b"0")
        await writer.drain()
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("scheme", ["git", "ssh"])
@pytest.mark.parametrize("kind", ["git_repo", "git"])
@pytest.mark.parametrize("fault", [hang, drip])
async def test_who_is_silent_over_ssh_or_git_is_given_up_in_time(
    fault: object, kind: str, scheme: str, guarded: Bench
) -> None:
    async with raw_server(fault) as place:  # type: ignore[arg-type]
        name = f"{scheme}-{kind}-{place.rpartition(':')[2]}.bst"
        guarded.lab.element(name, {"kind": kind, "url": f"{scheme}://{place}/x.git", "track": "main"})
        async with asyncio.timeout(20 * STALL):
            said = await refused(guarded, name)
        assert "the host stalls: " in said

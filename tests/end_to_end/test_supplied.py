"""A client brings an element of its own to a running service: what it gets, and what it does not get through
with. One service for the module; each test has upstreams of its own.
"""

import asyncio
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from aiohttp import web
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from hookfetch.client import Client
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Serve
from hookfetch.demo.repositories import create_repository
from hookfetch.v1 import sources_pb2, sources_pb2_grpc
from tests.end_to_end.conftest import WITHIN, Service
from tests.supplied.hazards import ALIASES, BY_ALIAS, IN_TEXT
from tests.upstreams.serving import raw_server, routes

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

_LISTED = "".join(f"  {name}: {address!r}\n" for name, address in ALIASES.items())


class Away:
    """A server that redirects to `inside`, which nobody names, and what came there."""

    def __init__(self) -> None:
        self.url = ""
        self.inside = ""
        self.came: list[bytes] = []

    async def redirect(self, request: web.Request) -> web.StreamResponse:
        query = f"?{request.query_string}" if request.query_string else ""
        raise web.HTTPFound(f"http://{self.inside}{request.path}{query}")

    async def note(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.append(await reader.read(1024))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def away() -> AsyncIterator[Away]:
    away = Away()
    async with (
        raw_server(away.note) as away.inside,
        routes(web.route("*", "/{path:.*}", away.redirect)) as url,
    ):
        away.url = url
        yield away


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(tmp_path_factory: pytest.TempPathFactory, away: Away) -> AsyncIterator[Service]:
    root = tmp_path_factory.mktemp("service")
    lab = Lab(root, project=f"p{uuid.uuid4().hex[:8]}")
    lab.start()
    serve = Serve(lab.config, root)
    try:
        port = away.inside.rpartition(":")[2]
        more = f"  away: '{away.url}/'\n  name: 'https://localhost:{port}/'\n{_LISTED}"
        conf = root / "project/project.conf"
        text = conf.read_text().replace("aliases:\n", f"aliases:\n{more}")
        conf.write_text(text.replace("[git_repo]", "[git_repo, git_tag]"))
        hosts = ", ".join(f'"{url.removeprefix("http://")}"' for url in (lab.upstreams.url, away.url))
        text = lab.config.read_text().replace(
            "[grpc]\n", "[grpc]\nsupplied_per_minute = 10000\nsupplied_per_hour = 10000\n"
        )
        lab.config.write_text(
            f"{text}[project.supplied]\nhosts = [{hosts}]\n"
            "[sweep]\ninterval_least = 1e7\ninterval_most = 1e7\n[engine]\nprocesses = 1\n"
        )
        await serve.start()
        async with Client(lab.grpc) as client:
            service = Service(lab, serve, client)
            await service.ready()
            yield service
    finally:
        await serve.stop()
        lab.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stub(service: Service) -> AsyncIterator[Any]:
    async with grpc.aio.insecure_channel(service.lab.grpc) as channel:
        yield sources_pb2_grpc.SourceServiceStub(channel)


def brought(text: str) -> sources_pb2.SuppliedElement:
    return sources_pb2.SuppliedElement(text=text)


async def track(service: Service, stub: Any, text: str) -> sources_pb2.TrackResponse:
    request = sources_pb2.TrackRequest(project=service.lab.project, supplied=brought(text))
    return await stub.Track(request, timeout=WITHIN)  # type: ignore[no-any-return]


async def fetch(service: Service, stub: Any, text: str) -> sources_pb2.Fetched:
    request = sources_pb2.FetchRequest(project=service.lab.project, supplied=brought(text))
    told = [each async for each in stub.Fetch(request, timeout=WITHIN)]
    return told[-1].fetched  # type: ignore[no-any-return]


def detail(error: grpc.aio.AioRpcError, kind: type[Message]) -> Any:
    """Return the one detail of this kind."""
    packed = dict(error.trailing_metadata() or ())["grpc-status-details-bin"]
    found = kind()
    (one,) = [each for each in status_pb2.Status.FromString(packed).details if each.Is(found.DESCRIPTOR)]
    one.Unpack(found)
    return found


def repository(service: Service, name: str) -> tuple[Any, str]:
    made = create_repository(service.lab.root / "upstreams", name)
    return made, made.commit({"README": name}, "First")


@pytest.mark.parametrize("name", [*IN_TEXT, *BY_ALIAS])
async def test_a_hazard_is_refused_at_its_place(name: str, service: Service, stub: Any) -> None:
    text, field = {**IN_TEXT, **BY_ALIAS}[name]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await fetch(service, stub, text)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    (violation,) = detail(caught.value, error_details_pb2.BadRequest).field_violations
    assert violation.field == (f"supplied.text.{field}" if field else "supplied.text")
    assert violation.description


async def test_track_answers_the_text_with_the_new_refs_and_nothing_else_changed(
    service: Service, stub: Any
) -> None:
    made, old = repository(service, "moving")
    new = made.commit({"README": "again"}, "Second")
    text = (
        f"# mine\r\nkind: meson   # as it is built\r\ndepends: [base.bst]\r\nsources:\r\n"
        f"- kind: git_repo\r\n  url: upstream:moving.git\r\n  track: main\r\n  ref: {old}  # old\r\n"
        f"- {{kind: git, url: 'upstream:moving.git', track: main, directory: b, ref: {new}}}\r\n"
    )
    found = await track(service, stub, text)
    assert found.text == text.replace(old, new)
    assert [(each.index, each.base.text, each.ref.text) for each in found.changes] == [(0, old, new)]
    assert [each.ref.text for each in found.refs] == [new, new]
    again = await track(service, stub, found.text)
    assert (again.text, list(again.changes)) == (found.text, [])


async def test_a_source_without_a_ref_gets_one_of_its_own(service: Service, stub: Any) -> None:
    _, commit = repository(service, "fresh")
    text = "kind: import\nsources:\n- kind: git_tag\n  url: upstream:fresh.git\n  track: main\n"
    found = await track(service, stub, text)
    assert found.text == f"{text}  ref: {commit}\n"


async def test_fetch_answers_when_the_cache_holds_it_and_bst_gets_it_from_there(
    service: Service, stub: Any
) -> None:
    made, commit = repository(service, "cached")
    text = (
        f"kind: import\nsources:\n- kind: git\n  url: upstream:cached.git\n  track: main\n  ref: {commit}\n"
    )
    got = await fetch(service, stub, text)
    assert got.cached
    assert got.element_directory.hash
    (source,) = got.sources
    assert source.key.startswith("git/")
    assert source.source.ref.text == commit
    made.path.rename(made.path.with_name("gone.git"))
    (service.lab.root / "project/elements/mine.bst").write_text(text)
    done = await asyncio.to_thread(service.lab.bst, "source", "fetch", "mine.bst")
    (service.lab.root / "project/elements/mine.bst").unlink()
    assert done.returncode == 0, done.stderr


async def test_stage_answers_the_directory_of_the_same_sources(service: Service, stub: Any) -> None:
    _, commit = repository(service, "staged")
    text = f"kind: import\nsources:\n- kind: git\n  url: upstream:staged.git\n  ref: {commit}\n"
    request = sources_pb2.StageRequest(project=service.lab.project, supplied=brought(text))
    told = [each async for each in stub.Stage(request, timeout=WITHIN)]
    assert told[-1].staged.directory == (await fetch(service, stub, text)).element_directory


async def test_two_clients_with_the_same_text_get_one_job_and_nothing_is_kept(
    service: Service, stub: Any
) -> None:
    _, commit = repository(service, "shared")
    text = f"kind: import\nsources:\n- kind: git\n  url: upstream:shared.git\n  ref: {commit}\n"
    before = rows(service, "SELECT count(*) FROM ended_jobs")[0][0]
    first, second = await asyncio.gather(*(fetch(service, stub, text) for _ in range(2)))
    assert first == second
    assert rows(service, "SELECT count(*) FROM ended_jobs")[0][0] == before + 1
    for table in "jobs", "supplied", "proposed", "log":
        assert rows(service, f"SELECT count(*) FROM {table}") == [(0,)]  # noqa: S608 - of this list
    assert rows(service, "SELECT count(*) FROM recipes WHERE element LIKE 'supplied%'") == [(0,)]
    kept = [path for path in (service.lab.root / "state").rglob("*") if "shared" in path.name]
    assert kept == []
    assert not list((service.lab.root / "state/engine").glob("*/*/supplied"))


@pytest.mark.parametrize("kind", ["git_repo", "git", "git_tag", "tar", "remote"])
@pytest.mark.parametrize("alias", ["away", "name"])
async def test_neither_a_redirect_nor_a_name_leads_to_a_private_address(
    alias: str, kind: str, service: Service, stub: Any, away: Away
) -> None:
    text = f"kind: import\nsources:\n- kind: {kind}\n  url: {alias}:x.git\n"
    if kind.startswith("git"):
        text += "  track: main\n"
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await track(service, stub, text)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "private address" in (caught.value.details() or "")
    assert detail(caught.value, error_details_pb2.ErrorInfo).reason == "TRACK_FAILED"
    assert away.came == []


def rows(service: Service, query: str) -> list[tuple[Any, ...]]:
    path = service.lab.root / f"state/projects/{service.lab.project}/store.sqlite"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
        return db.execute(query).fetchall()


async def test_the_command_writes_new_refs_into_the_file_and_then_fetches_them(service: Service) -> None:
    made, old = repository(service, "mine")
    new = made.commit({"README": "again"}, "Second")
    file = service.lab.root / "mine.bst"
    file.write_bytes(
        f"kind: import\r\nsources:\r\n- kind: git_repo\r\n  url: upstream:mine.git\r\n"
        f"  track: main\r\n  ref: {old}\r\n".encode()
    )
    expected = file.read_bytes().replace(old.encode(), new.encode())
    file.chmod(0o640)
    tracked = await command(service, "track", "--supplied", str(file))
    assert (tracked.returncode, file.read_bytes(), file.stat().st_mode & 0o777) == (0, expected, 0o640)
    assert all(commit[:11] in tracked.stdout for commit in (old, new))
    assert "in the source cache as" in (await command(service, "fetch", "--supplied", str(file))).stdout
    file.write_text(file.read_text().replace("upstream:mine.git", "--upload-pack=x"))
    refused = await command(service, "fetch", "--supplied", str(file))
    assert refused.returncode == 1
    assert "supplied.text.sources[0].url" in refused.stdout
    assert (await command(service, "track")).returncode == 2
    assert [each.name for each in service.lab.root.glob(".mine*")] == []


async def command(service: Service, *arguments: str) -> "subprocess.CompletedProcess[str]":
    name, *rest = arguments
    words = [sys.executable, "-m", "hookfetch", name, "--project", service.lab.project]
    return await asyncio.to_thread(
        subprocess.run,
        [*words, "--server", service.lab.grpc, *rest],
        capture_output=True,
        text=True,
        timeout=WITHIN,
        check=False,
    )

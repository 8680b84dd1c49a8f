import asyncio
import time
from pathlib import Path

from aiohttp import web

from hookfetch.core.events import BranchPushed
from hookfetch.demo.upstreams import Repository, create_repository
from tests.upstreams.serving import Log, git_server, hang, raw_server, routes, until
from tests.upstreams.world import NEVER, World, follows, identity


async def test_a_bug_ends_no_repository_and_is_visible(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main")]
        world.bug = True
        async with world.sweeping() as sweep:
            await until(lambda: sweep.status()[0].error)
            assert "KeyError" in str(sweep.status()[0].error)
            world.bug = False
            await until(lambda: world.facts)


async def test_a_repository_that_hangs_holds_up_no_other(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server, raw_server(hang) as hanging:
        url = repository.url(server).replace("127.0.0.1", "localhost")
        bad = [follows(f"bad-{n}.bst", f"http://{hanging}/{n}.git", "main") for n in range(20)]
        world.elements = [*bad, follows("good.bst", url, "main")]
        async with world.sweeping(at_once=2, per_host=1, timeout=5.0) as sweep:
            await until(lambda: world.facts, within=4.0)
            moved = repository.commit({"a": "2"}, "second")
            await until(lambda: len(world.facts) > 1, within=4.0)
            statuses = {status.repository: status for status in sweep.status()}
    assert isinstance(world.facts[1], BranchPushed)
    assert world.facts[1].target == moved
    assert statuses[identity(url)].error is None
    assert len(statuses) == 21


async def test_a_failing_repository_is_asked_ever_more_seldom_and_recovers(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    log.refuse = True
    async with git_server(tmp_path, log) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main")]
        async with world.sweeping(0.1) as sweep:
            await until(lambda: sweep.status()[0].failures == 3)
            status = sweep.status()[0]
            assert status.error is not None
            assert "503" in status.error
            assert status.last_ok is None
            assert status.last_asked is not None
            log.refuse = False
            await until(lambda: sweep.status()[0].last_ok)
            assert sweep.status()[0].error is None
            assert sweep.status()[0].failures == 0
    assert len(world.facts) == 1


async def test_a_repository_that_vanishes_loses_no_branch_and_is_found_again_when_it_is_back(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    head = repository.commit_of("refs/heads/main")
    async with git_server(tmp_path, Log()) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main", head)]
        async with world.sweeping(0.1) as sweep:
            await until(lambda: sweep.status()[0].last_ok)
            (tmp_path / "glib.git").rename(tmp_path / "away.git")
            await until(lambda: sweep.status()[0].error)
            assert "404: no such repository" in str(sweep.status()[0].error)
            (tmp_path / "away.git").rename(tmp_path / "glib.git")
            await until(lambda: sweep.status()[0].error is None)
    assert world.facts == []


async def test_a_second_spelling_is_tried_when_the_first_does_not_answer(
    world: World, tmp_path: Path
) -> None:
    repository = create_repository(tmp_path, "glib")
    repository.commit({"a": "1"}, "first")
    log = Log()
    async with git_server(tmp_path, log) as server:
        # The server knows the repository by the second name only; for hookfetch they are one.
        world.elements = [
            follows("a.bst", f"{server}/GLIB.git", "main"),
            follows("b.bst", f"{server}/glib.git", "main"),
        ]
        async with world.sweeping(NEVER):
            await until(lambda: world.facts)
    assert log.requests[-1] == "POST /glib.git/git-upload-pack"


async def test_no_more_looks_at_once_than_allowed(world: World) -> None:
    now = most = 0

    async def count(request: web.Request) -> web.Response:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.02)
        now -= 1
        return web.Response(status=404)

    async with routes(web.route("*", "/{path:.*}", count)) as server:
        world.elements = [follows(f"{n}.bst", f"{server}/{n}.git", "main") for n in range(30)]
        async with world.sweeping(NEVER, at_once=6, per_host=3) as sweep:
            await until(lambda: all(status.error for status in sweep.status()))
    assert most == 3


async def test_each_bad_repository_says_what_is_wrong_and_costs_a_good_one_nothing(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async def bad(request: web.Request) -> web.Response:
        match request.path.split("/")[1]:
            case "loop.git":
                raise web.HTTPFound(request.path_qs)
            case "private.git":
                return web.Response(status=401)
            case "garbage.git":
                kind = "application/x-git-upload-pack-advertisement"
                return web.Response(body=b"0009main\n0000", content_type=kind)
            case _:
                return web.Response(status=404)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind = b"application/x-git-upload-pack-result"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nContent-Length: 100000\r\n\r\nfff0")
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.01)

    said = {
        "hanging": "no complete answer within 2 s",
        "dripping": "no complete answer within 2 s",
        "loop": "redirected more than 5 times",
        "private": "401: it asks for a password",
        "garbage": "for an object id",
        "vanished": "404: no such repository",
    }
    async with (
        git_server(tmp_path, Log()) as good,
        raw_server(hang) as hanging,
        raw_server(drip) as dripping,
        routes(web.route("*", "/{path:.*}", bad)) as server,
    ):
        places = {name: f"{server}/{name}.git" for name in said}
        places |= {"hanging": f"http://{hanging}/a.git", "dripping": f"http://{dripping}/a.git"}
        url = repository.url(good)
        world.elements = [follows(f"{name}.bst", place, "main") for name, place in places.items()]
        world.elements.append(follows("good.bst", url, "main"))
        async with world.sweeping(at_once=4, per_host=2, timeout=2.0) as sweep:
            await until(lambda: world.facts, within=1.5)
            moved = repository.commit({"a": "2"}, "second")
            await until(lambda: len(world.facts) > 1, within=1.5)
            await until(lambda: sum(status.error is not None for status in sweep.status()) == len(said))
            found = {status.repository: status for status in sweep.status()}
    assert isinstance(world.facts[1], BranchPushed)
    assert world.facts[1].target == moved
    for name, words in said.items():
        assert words in str(found[identity(places[name])].error)
    assert found[identity(url)].error is None


async def test_a_host_that_has_too_much_is_left_alone_as_a_whole_and_then_asked_again(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    refused: list[float] = []
    answered: list[float] = []

    async def busy(request: web.Request) -> web.Response:
        if not refused or time.monotonic() - refused[0] < 0.9:
            refused.append(time.monotonic())
            return web.Response(status=429, headers={"Retry-After": "1"})
        answered.append(time.monotonic())
        return web.Response(status=404)

    async with git_server(tmp_path, Log()) as good, routes(web.route("*", "/{path:.*}", busy)) as server:
        world.elements = [follows(f"{n}.bst", f"{server}/{n}.git", "main") for n in range(20)]
        world.elements.append(follows("good.bst", repository.url(good), "main"))
        async with world.sweeping(per_host=1) as sweep:
            await until(lambda: world.facts, within=0.9)
            errors = [status.error for status in sweep.status() if status.error is not None]
            await until(lambda: len(answered) >= 20)
    assert len(refused) == 1
    assert len(errors) == 1
    assert "the server answers 429 and is left alone for 1 s" in errors[0]

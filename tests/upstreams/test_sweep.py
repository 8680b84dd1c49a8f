import time
from pathlib import Path

from hookfetch.core.events import BranchDeleted, BranchPushed, TagPushed
from hookfetch.demo.upstreams import Repository, create_repository
from tests.upstreams.serving import Log, git_server, until
from tests.upstreams.world import INTERVAL, NEVER, World, follows, identity


async def test_with_every_hook_off_a_commit_is_one_push_within_an_interval(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    async with git_server(tmp_path, log) as server:
        url = repository.url(server)
        before = repository.commit_of("refs/heads/main")
        world.elements = [follows("glib.bst", url, "main", before)]
        async with world.sweeping():
            await until(lambda: world.known.refs)
            pushed_at = time.monotonic()
            commit = repository.commit({"a": "2"}, "second")
            await until(lambda: world.facts)
            assert time.monotonic() - pushed_at < 2 * INTERVAL + 1
            looks = len(log.requests)
            await until(lambda: len(log.requests) == looks + 2)
    (fact,) = world.facts
    assert isinstance(fact, BranchPushed)
    assert (fact.ref, fact.before, fact.target) == ("refs/heads/main", before, commit)
    assert fact.repositories == (identity(url),)
    assert fact.urls == (url,)


async def test_the_first_look_comes_at_once_and_tells_who_is_behind(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server:
        url = repository.url(server)
        head = repository.commit_of("refs/heads/main")
        world.elements = [follows("behind.bst", url, "main", "0" * 40)]
        async with world.sweeping(NEVER):
            await until(lambda: world.facts)
        world.elements = [follows("there.bst", url, "main", head)]
        world.known.refs.clear()
        async with world.sweeping(NEVER):
            await until(lambda: world.known.refs)
    assert [fact.target for fact in world.facts if isinstance(fact, BranchPushed)] == [head]


async def test_what_was_asked_before_waits_for_its_turn_after_a_restart(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    create_repository(tmp_path, "new")
    async with git_server(tmp_path, log) as server:
        url = repository.url(server)
        world.elements = [follows("glib.bst", url, "main"), follows("new.bst", f"{server}/new.git", "main")]
        world.known.refs[identity(url)] = {}
        async with world.sweeping(NEVER) as sweep:
            await until(lambda: len(world.known.refs) == 2)
            assert log.requests == ["POST /new.git/git-upload-pack"]
            sweep.ask_now(identity(url))
            await until(lambda: world.facts)


async def test_a_push_during_downtime_is_found_after_the_restart(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server:
        head = repository.commit_of("refs/heads/main")
        world.elements = [follows("glib.bst", repository.url(server), "main", head)]
        async with world.sweeping():
            await until(lambda: world.known.refs)
        commit = repository.commit({"a": "2"}, "second")
        async with world.sweeping():
            await until(lambda: world.facts)
    assert [fact.target for fact in world.facts if isinstance(fact, BranchPushed)] == [commit]


async def test_one_repository_is_asked_once_however_many_elements_follow_it(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    async with git_server(tmp_path, log) as server:
        url = repository.url(server)
        world.elements = [follows(f"{n}.bst", url + "/" * (n % 2), f"branch-{n}") for n in range(300)]
        async with world.sweeping(NEVER):
            await until(lambda: world.known.refs)
    assert log.requests == ["POST /glib.git/git-upload-pack"]


async def test_facts_that_were_not_accepted_come_again(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    async with git_server(tmp_path, Log()) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main")]
        world.broken = True
        async with world.sweeping() as sweep:
            await until(lambda: sweep.status()[0].error)
            assert sweep.status()[0].error == "the bus is down"
            assert world.known.refs == {}
            world.broken = False
            await until(lambda: world.facts)
            await until(lambda: sweep.status()[0].error is None)
    assert len(world.facts) == 1


async def test_a_repository_followed_later_is_asked_at_once_and_a_dropped_one_no_more(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    log = Log()
    second = create_repository(tmp_path, "gtk")
    second.commit({"a": "1"}, "first")
    async with git_server(tmp_path, log) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main")]
        async with world.sweeping(NEVER) as sweep:
            await until(lambda: len(world.facts) == 1)
            world.elements = [follows("gtk.bst", second.url(server), "main")]
            sweep.refresh()
            await until(lambda: len(world.facts) == 2)
            assert [status.repository for status in sweep.status()] == [identity(second.url(server))]
            sweep.ask_now(identity(repository.url(server)))
            sweep.ask_now(identity(second.url(server)))
            await until(lambda: len(log.requests) == 3)
    assert [path.split("/")[1] for path in log.requests] == ["glib.git", "gtk.git", "gtk.git"]


async def test_a_new_follower_of_a_known_repository_is_told_at_once_where_it_is_behind(
    world: World, repository: Repository, tmp_path: Path
) -> None:
    head = repository.commit_of("refs/heads/main")
    for number in range(1, 5):
        repository.tag(f"v{number}")
    async with git_server(tmp_path, Log()) as server:
        url = repository.url(server)
        world.elements = [follows("glib.bst", url, "main", head)]
        async with world.sweeping(NEVER) as sweep:
            await until(lambda: sweep.status()[0].last_ok)
            world.elements.append(follows("tags.bst", url, "v*", "0" * 40))
            sweep.refresh()
            await until(lambda: world.facts)
    assert [fact.ref for fact in world.facts if isinstance(fact, TagPushed)] == ["refs/tags/v4"]


async def test_a_branch_that_is_removed_is_told(world: World, repository: Repository, tmp_path: Path) -> None:
    head = repository.commit_of("refs/heads/main")
    async with git_server(tmp_path, Log()) as server:
        world.elements = [follows("glib.bst", repository.url(server), "main", head)]
        async with world.sweeping():
            await until(lambda: world.known.refs)
            repository.delete("refs/heads/main")
            await until(lambda: world.facts)
    assert isinstance(world.facts[0], BranchDeleted)

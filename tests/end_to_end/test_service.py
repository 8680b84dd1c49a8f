"""The service under what happens to services: no hooks, kills, upstreams that are gone."""

import asyncio
import json
import shutil
import signal

import psutil
import pytest

from hookfetch.core.delivery import Delivery
from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import Lab
from hookfetch.spool.outside import append_from_outside
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.broker import PrivateBroker
from tests.support.commands import run

pytestmark = pytest.mark.engine


async def test_with_hooks_off_the_sweep_brings_the_commit_and_the_tag(start: Start, amqp: str | None) -> None:
    service = await start(amqp, "[sweep]\ninterval_least = 1.0\ninterval_most = 1.0\n")
    await service.ready()
    _, after = await service.push("gamma", "found")
    [update] = await service.updates(1)
    assert update.element == "gamma.bst"
    assert after in json.dumps(update.changes[0].ref)
    assert update.causes[0].startswith("sweep/")
    beta = service.lab.repositories["beta"]
    commit = await asyncio.to_thread(beta.commit, {"README": "two"}, "Two")
    await asyncio.to_thread(beta.tag, "v2.0")
    _, second = await service.updates(2)
    assert second.element == "beta.bst"
    assert commit in str(second.changes[0].ref)


async def test_everything_killed_right_after_the_202_loses_nothing(start: Start, amqp: str | None) -> None:
    service = await start(amqp)
    await service.ready()
    before, after = await service.push("alpha", "survives")
    delivery = await service.post("alpha", before, after)
    await service.serve.kill()
    await service.serve.start()
    [update] = await service.updates(1)
    assert update.causes == (delivery,)
    assert after in str(update.changes[0].ref)


@pytest.mark.broker
async def test_where_disks_do_not_last_the_broker_keeps_what_was_answered_202(
    start: Start, amqp_url: str
) -> None:
    def rely_on_the_broker(lab: Lab) -> None:
        lab.config.write_text(lab.config.read_text().replace("[ingress]", '[ingress]\ndurable = "broker"'))

    service = await start(amqp_url, "", rely_on_the_broker)
    await service.ready()
    before, after = await service.push("alpha", "survives its disk")
    delivery = await service.post("alpha", before, after)
    await service.serve.kill()
    assert not (service.lab.root / "state/spool").exists()
    await asyncio.to_thread(shutil.rmtree, service.lab.root / "state/deliveries", ignore_errors=True)
    await service.serve.start()
    [update] = await service.updates(1)
    assert update.causes == (delivery,)
    assert after in str(update.changes[0].ref)
    kept = await service.post("alpha", *await service.push("alpha", "can be sent again"))
    operations = service.client.operations
    async with asyncio.timeout(WITHIN):
        while not any(each.relayed_at for each in (await operations.story(kept)).deliveries):
            await asyncio.sleep(0.05)
        again = await operations.replay(kept)
        while again not in [each.id for each in (await operations.story(again)).deliveries]:
            await asyncio.sleep(0.05)


async def test_a_broker_that_is_away_keeps_nobody_waiting_at_the_door(
    start: Start, breakable_broker: PrivateBroker
) -> None:
    breakable_broker.stop()
    service = await start(breakable_broker.url)
    await service.door()
    before, after = await service.push("alpha", "before the broker")
    await service.post("alpha", before, after)
    breakable_broker.start()
    # The project was never loaded: the delivery or the first sweep, whichever is first, brings it.
    [update] = await service.updates(1)
    assert update.changes[0].ref == after
    breakable_broker.kill()
    _, newest = await service.push("alpha", "while it was killed")
    delivery = await service.post("alpha", after, newest)
    breakable_broker.start()
    _, update = await service.updates(2)
    assert (update.changes[0].previous, update.changes[0].ref) == (after, newest)
    # Its own job, or one of the first delivery's, which was still on its way, has found the commit.
    assert (await service.ended(delivery)).outcome in ("done", "coalesced", "nothing to do")


async def test_workers_and_their_caches_killed_in_mid_job_leave_no_orphan_and_lose_no_ref(
    start: Start, amqp: str | None
) -> None:
    service = await start(amqp)
    await service.ready()
    await service.client.fetch(service.lab.project, "delta.bst", timeout=WITHIN)
    seen: set[psutil.Process] = set()
    newest = ""
    for name in ("hookfetch.engine", "buildbox-casd"):
        seen |= set(_descendants(service))
        before, newest = await service.push("alpha", f"with {name} killed")
        await service.post("alpha", before, newest)
        async with asyncio.timeout(WITHIN):
            while not (victims := [p for p in _descendants(service) if name in _command_line(p)]):
                await asyncio.sleep(0.01)
        for process in victims:
            process.send_signal(signal.SIGKILL)
    async with asyncio.timeout(WITHIN):
        while newest not in str((await service.client.list(projects=[service.lab.project])).updates):
            await asyncio.sleep(0.05)
    seen |= set(_descendants(service))
    await service.serve.stop()
    # What a killed worker leaves belongs to init, which reaps it a moment later.
    _, alive = psutil.wait_procs(seen, timeout=5)
    assert [_command_line(process) for process in alive] == []


async def test_an_upstream_that_is_gone_and_a_project_that_does_not_load_hold_up_no_other(
    start: Start, amqp: str | None
) -> None:
    def lose_gamma_and_add_broken(lab: Lab) -> None:
        element = lab.root / "project/elements/gamma.bst"
        element.write_text(element.read_text().replace("gamma.git", "gone.git"))
        broken = lab.root / "broken"
        broken.mkdir()
        (broken / "project.conf").write_text("name: broken\nmin-version: 2.0\nplugins: 7\n")
        lab.config.write_text(
            lab.config.read_text() + f'[[project]]\nname = "{lab.project}-broken"\npath = "broken"\n'
        )

    retry = "[retry]\nfirst = 0.1\nmost = 0.1\nattempts = 2\n"
    service = await start(amqp, retry, lose_gamma_and_add_broken)
    unhealthy = await service.serve.line(
        "the broken project", lambda line: line["event"] == "project unhealthy", WITHIN
    )
    assert unhealthy["project"] == f"{service.lab.project}-broken"
    assert "project.conf" in str(unhealthy["reason"])
    await service.ready("alpha", "beta")
    with pytest.raises(Exception, match=r"project\.conf"):
        await service.client.track(f"{service.lab.project}-broken", "a.bst", timeout=WITHIN)
    with pytest.raises(Exception, match=r"gone\.git"):
        await service.client.track(service.lab.project, "gamma.bst", timeout=WITHIN)
    commits = await service.push("alpha", "not held up")
    await service.post("alpha", *commits)
    [update] = await service.updates(1)
    assert update.element == "alpha.bst"
    await service.serve.line(
        "gamma was set aside",
        lambda line: any(text.startswith("SetAside") for text in line.get("follows", ())),
        WITHIN,
    )


async def test_a_dead_letter_is_listed_with_its_reason_and_replayed_after_a_fix(
    start: Start, amqp: str | None
) -> None:
    service = await start(amqp)
    await service.ready()
    lab = service.lab
    before, after = await service.push("alpha", "late")
    url = lab.repositories["alpha"].url(lab.upstreams.url)
    headers, body = github_push(url, "refs/heads/main", before, after, lab.secret, "1")
    delivery = Delivery(
        id="later/1",
        hook="later",
        headers={name.lower(): value for name, value in headers.items()},
        body=body,
        received_at=0.0,
    )
    await asyncio.to_thread(append_from_outside, lab.root / "state/spool", delivery, 2**30)
    async with asyncio.timeout(WITHIN):
        while "later/1" not in (listed := await asyncio.to_thread(_hookfetch, lab, "dead", "list")):
            await asyncio.sleep(0.1)
    assert "the hook 'later' is no longer configured" in listed
    lab.config.write_text(
        lab.config.read_text()
        + '[[hook]]\nname = "later"\nforge = "github"\nsecret_files = ["hook.secret"]\n'
    )
    await service.serve.stop()
    await service.serve.start()
    assert "later/1  replayed" in await asyncio.to_thread(_hookfetch, lab, "dead", "replay", "later/1")
    [update] = await service.updates(1)
    assert update.causes == ("later/1",)
    assert await asyncio.to_thread(_hookfetch, lab, "dead", "list") == ""


def _hookfetch(lab: Lab, *arguments: str) -> str:
    done = run(*arguments, "--config", str(lab.config))
    assert done.returncode == 0, done.stderr
    return done.stdout


def _descendants(service: Service) -> list[psutil.Process]:
    parents = [psutil.Process(pid) for pid in service.serve.pids]
    return [child for parent in parents for child in parent.children(recursive=True)]


def _command_line(process: psutil.Process) -> str:
    try:
        return f"{process.pid} {process.status()} {' '.join(process.cmdline())}"
    except psutil.NoSuchProcess:
        return ""

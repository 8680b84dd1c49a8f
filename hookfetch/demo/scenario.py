"""The demo: one real push, followed from the forge's delivery to an unmodified `bst` that takes
the new source from the cache with the upstream gone. Every step is observed, none assumed.
"""

import asyncio
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

import aiohttp

from hookfetch.cas.channel import Servers
from hookfetch.cas.proof import RemoteCache
from hookfetch.client import Client
from hookfetch.client.errors import Unavailable
from hookfetch.client.values import RefUpdate
from hookfetch.config import ROLES
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import HookfetchError
from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK, Lab
from hookfetch.demo.processes import Line, Serve

_READY_WITHIN = 60.0
_STEP_WITHIN = 30.0
_CONTENT = "alpha, as pushed just now\n"

Say = Callable[[str], None]


class NotObserved(HookfetchError):
    """A step of the demo did not happen as it should; the text says which and what was seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was observed, `milliseconds` after the delivery was posted."""

    name: str
    milliseconds: float
    detail: str


@dataclass(slots=True, kw_only=True)
class Running:
    """The running service, the lab around it, and what was observed so far."""

    lab: Lab
    serve: Serve
    say: Say
    posted_at: float = 0.0
    steps: list[Step] = field(default_factory=list)

    def observed(self, name: str, detail: str, at: float | None = None) -> None:
        """Add a step; `at` is in Unix seconds, now if None."""
        milliseconds = 1000 * ((time.time() if at is None else at) - self.posted_at)
        self.steps.append(Step(name=name, milliseconds=round(milliseconds, 1), detail=detail))
        self.say(f"{milliseconds:9.1f} ms  {name:<34} {detail}")


@asynccontextmanager
async def demonstration(say: Say, amqp: str | None = None) -> AsyncIterator[Running]:
    """Run the demo and yield it with the service still running; NotObserved or Temporary when a
    step was not seen. Everything that was started has ended afterwards."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-demo-") as folder:
        root = Path(folder)
        lab = Lab(root)
        roles = ROLES if amqp is not None else ()
        serve = Serve(lab.config, root, roles)
        try:
            say("Making three repositories, a tarball, a BuildStream project and a source cache.")
            await asyncio.to_thread(lab.start, amqp)
            say(f"Starting hookfetch serve ({'one process a role' if roles else 'one process'}).")
            await serve.start()
            running = Running(lab=lab, serve=serve, say=say)
            await _ready(running)
            await _push(running)
            await _without_upstream(running)
            yield running
        finally:
            await serve.stop()
            await asyncio.to_thread(lab.stop)


async def _ready(running: Running) -> None:
    # After it has looked at alpha once, the sweep leaves the push to the delivery.
    await running.serve.line("the first look at alpha", _first_look, _READY_WITHIN)
    async with aiohttp.ClientSession() as session, asyncio.timeout(_READY_WITHIN):
        while True:
            with suppress(aiohttp.ClientConnectionError):
                async with session.get(f"http://{running.lab.ingress}/ready") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.02)


def _first_look(line: Line) -> bool:
    return line.get("event") == "first look" and str(line["repository"]).endswith("/alpha")


async def _push(running: Running) -> None:
    lab = running.lab
    alpha = lab.repositories["alpha"]
    before = alpha.commit_of("refs/heads/main")
    assert before is not None
    async with Client(lab.grpc) as client:
        # A listing's cursor misses nothing, so the watcher may still be connecting when the push comes.
        watch = client.watch(projects=[lab.project], cursor=await _cursor(running, client))
        update = asyncio.ensure_future(anext(watch))
        try:
            running.say("Pushing a commit to alpha and posting the forge's signed delivery.\n")
            after = await asyncio.to_thread(alpha.commit, {"README": _CONTENT}, "Second")
            delivery = await _post(running, alpha.url(lab.upstreams.url), before, after)
            await _follow(running, delivery, after)
            async with asyncio.timeout(_STEP_WITHIN):
                received = await update
            at = time.time()
            if not isinstance(received, RefUpdate):
                raise NotObserved(f"the watcher received no update: {received}")
        finally:
            update.cancel()
            await asyncio.gather(update, return_exceptions=True)
            await watch.aclose()
    _check(received, delivery, before, after)
    with Servers([SourceCacheConfig(url=lab.cache.url)]) as servers:
        held = await asyncio.to_thread(RemoteCache(servers).holds, received.element_key or "")
    if not held:
        raise NotObserved(f"the source cache does not hold {received.element_key}")
    running.observed("received by a gRPC watcher", f"cursor {received.cursor}", at)
    running.observed("every blob found in the cache", f"element key {(received.element_key or '')[:12]}")
    lab.element_with("alpha", before, str(received.changes[0].ref))


async def _cursor(running: Running, client: Client) -> str:
    async with asyncio.timeout(_READY_WITHIN):
        while True:
            try:
                return (await client.list(projects=[running.lab.project])).cursor
            except Unavailable:  # the gateway is a process of its own, and starts when it starts
                await asyncio.sleep(0.02)


async def _post(running: Running, url: str, before: str, after: str) -> str:
    lab = running.lab
    headers, body = github_push(url, "refs/heads/main", before, after, lab.secret, str(uuid.uuid4()))
    async with aiohttp.ClientSession() as session:
        running.posted_at = time.time()
        async with session.post(f"http://{lab.ingress}/hooks/{HOOK}", data=body, headers=headers) as response:
            text = await response.text()
            if response.status != 202:
                raise NotObserved(f"the delivery was answered {response.status}: {text}")
            delivery = str((await response.json())["delivery"])
    running.observed("202, the delivery is on disk", delivery)
    return delivery


async def _follow(running: Running, delivery: str, after: str) -> None:
    """Observe in the service's log what became of the delivery."""

    handled = await running.serve.line("the delivery was matched", _handled("branch_pushed"), _STEP_WITHIN)
    if handled["delivery_id"] != delivery:
        raise NotObserved(f"another delivery than {delivery} was matched: {handled['delivery_id']}")
    if handled["follows"] != ["Refresh alpha.bst"]:
        raise NotObserved(f"not just alpha.bst was affected: {handled['follows']}")
    running.observed("one affected element of four", "alpha.bst", _time(handled))
    tracked = await running.serve.line("new ref", _handled("job_tracked"), _STEP_WITHIN)
    running.observed("new ref", after[:12], _time(tracked))
    done = await running.serve.line("fetched and pushed", _handled("job_done"), _STEP_WITHIN)
    running.observed("fetched, pushed, proved cached", "", _time(done))


def _handled(event_type: str) -> Callable[[Line], bool]:
    return lambda line: line.get("event") == "handled" and line.get("event_type") == event_type


def _check(received: RefUpdate, delivery: str, before: str, after: str) -> None:
    [change] = received.changes
    seen = (received.element, received.cached, received.causes, change.base)
    if seen != ("alpha.bst", True, (delivery,), before) or after not in str(change.ref):
        raise NotObserved(f"the watcher received something else: {received}")


async def _without_upstream(running: Running) -> None:
    """Stop the upstream and let an unmodified `bst` with an empty cache fetch the new source."""
    await asyncio.to_thread(running.lab.upstreams.stop)
    begun = time.time()
    fetched = await asyncio.to_thread(running.lab.bst, "source", "fetch", "alpha.bst")
    if fetched.returncode != 0:
        raise NotObserved(f"bst source fetch failed with the upstream stopped:\n{fetched.stderr}")
    took = time.time() - begun
    target = running.lab.root / "client/checkout"
    checkout = await asyncio.to_thread(
        running.lab.bst, "source", "checkout", "--directory", str(target), "alpha.bst"
    )
    if checkout.returncode != 0 or _CONTENT not in {p.read_text() for p in target.rglob("README")}:
        raise NotObserved(f"bst took another source than the pushed one:\n{checkout.stderr}")
    running.observed("bst source fetch, upstream stopped", f"took {took:.1f} s, the pushed content")


def _time(line: Line) -> float:
    return datetime.fromisoformat(cast("str", line["timestamp"])).timestamp()

"""Pushes and their deliveries: repeated, reordered, some that nobody can parse; each insisted upon until
an ingress has taken it."""

import asyncio
import hashlib
import hmac
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp

from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK, Lab

_INSIST = 180.0  # seconds for one delivery
_NOTHING = "0" * 40
_LATEST = 40  # deliveries that a held-back one may be overtaken by


@dataclass(frozen=True, slots=True)
class Post:
    """A delivery as it goes over the wire."""

    id: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Taken:
    """What the senders know: ids that got a 202, what was sent again on purpose, and what was refused
    for a while (503, a closed port, a broken connection); `answers` are counted by their status."""

    accepted: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    repeated: int = 0
    refusals: int = 0
    answers: Counter[int] = field(default_factory=Counter)


class Traffic:
    """Deliveries about the lab's repositories, to any of `addresses`, `rate` a second."""

    def __init__(self, lab: Lab, addresses: Sequence[str], seed: int, rate: float) -> None:
        self._lab = lab
        self._addresses = addresses
        self._chance = random.Random(seed)
        self._rate = rate
        self._heads = {
            name: str(repository.commit_of("refs/heads/main"))
            for name, repository in lab.repositories.items()
        }
        self.taken = Taken()

    async def send(self, count: int) -> None:
        """Send `count` distinct deliveries, some of them twice or late; return when all were taken.

        One in eight follows a real push, and one in a hundred is signed but no JSON.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        held: list[tuple[int, Post]] = []
        connector = aiohttp.TCPConnector(limit=64, force_close=False)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(10)) as session,
            asyncio.TaskGroup() as tasks,
        ):
            for number in range(count):
                post = await self._next(number)
                if self._chance.random() < 0.1:
                    held.append((number + self._chance.randrange(1, _LATEST), post))
                else:
                    tasks.create_task(self._insist(session, post))
                if self._chance.random() < 0.05:
                    self.taken.repeated += 1
                    held.append((number + self._chance.randrange(1, _LATEST), post))
                for late in [item for item in held if item[0] <= number]:
                    held.remove(late)
                    tasks.create_task(self._insist(session, late[1]))
                await asyncio.sleep(max(0.0, began + number / self._rate - loop.time()))
            for _, post in held:
                tasks.create_task(self._insist(session, post))

    def push_again(self, identity: str) -> Post:
        """Return one more delivery about a push that was told already."""
        name = self._chance.choice(sorted(self._heads))
        url = self._lab.repositories[name].url(self._lab.upstreams.url)
        secret = self._lab.secret
        return Post(
            identity, *github_push(url, "refs/heads/main", _NOTHING, self._heads[name], secret, identity)
        )

    def counts(self) -> dict[str, int]:
        """Return what was done to the doors, for a person."""
        refused = self.taken.answers[503]
        return {"sent twice": self.taken.repeated, "refused with 503, and sent again": refused}

    async def _next(self, number: int) -> Post:
        name = self._chance.choice(sorted(self._heads))
        repository = self._lab.repositories[name]
        before = self._heads[name]
        if number % 8 == 0:
            self._heads[name] = await asyncio.to_thread(
                repository.commit, {"README": f"{number}\n"}, f"Number {number}"
            )
            if name == "beta":  # which is followed by its tags
                await asyncio.to_thread(repository.tag, f"v{number + 2}.0")
        ref = "refs/heads/main"
        if name == "beta" and number % 8 == 0:
            ref, before = f"refs/tags/v{number + 2}.0", _NOTHING  # a new tag moved from nowhere
        identity = f"fault-{number}"
        url = repository.url(self._lab.upstreams.url)
        headers, body = github_push(url, ref, before, self._heads[name], self._lab.secret, identity)
        if number % 100 == 99:
            body = b"{ signed, and no JSON " + str(number).encode()
            digest = hmac.new(self._lab.secret.encode(), body, hashlib.sha256).hexdigest()
            headers["X-Hub-Signature-256"] = f"sha256={digest}"
            self.taken.broken.add(f"{HOOK}/{identity}")
        return Post(identity, headers, body)

    async def _insist(self, session: aiohttp.ClientSession, post: Post) -> None:
        async with asyncio.timeout(_INSIST):
            while not await self._posted(session, post):
                self.taken.refusals += 1
                await asyncio.sleep(self._chance.uniform(0.05, 0.3))

    async def _posted(self, session: aiohttp.ClientSession, post: Post) -> bool:
        url = f"http://{self._chance.choice(self._addresses)}/hooks/{HOOK}"
        try:
            async with session.post(url, data=post.body, headers=post.headers) as response:
                self.taken.answers[response.status] += 1
                if response.status == 202:
                    self.taken.accepted.add((await response.json())["delivery"])
                    return True
                # Anything else after a good signature would have the forge switch the hook off.
                assert response.status in {429, 503}, f"{response.status}: {await response.text()}"
                return False
        except (aiohttp.ClientError, TimeoutError):
            return False

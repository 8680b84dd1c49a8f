"""Replays at random by the commands that an operator types, some of them cut short. What may come of them:
a replayed delivery is another one, with an end of its own; a dead letter that is replayed keeps its id, and
has one end still."""

import asyncio
import json
import random
import signal
import sys
from collections import Counter
from pathlib import Path

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import DeadLetter
from hookfetch.demo.lab import HOOK, Lab
from hookfetch.spool.record import encode_delivery
from tests.faults.traffic import Traffic
from tests.support.commands import run

_CHECKOUT = Path(__file__).parents[2]
_COMMAND_WITHIN = 60.0  # seconds
_SETTLED_WITHIN = 120.0
_AGAIN = 0.3
_TRIES = 8  # of a delivery's replay, each of another one


class Replays:
    """Replays of what `traffic` had accepted, and of dead letters, beside a running service.

    `told` are the ids of replays that the service confirmed. `mended` are letters that this class buries,
    as if a parser had known nothing of them and were mended since: replayed, they end as others do.
    """

    def __init__(self, lab: Lab, bus: RabbitBus, traffic: Traffic, seed: int) -> None:
        self._lab = lab
        self._bus = bus
        self._traffic = traffic
        self._chance = random.Random(seed)
        self.told: set[str] = set()
        self.mended: set[str] = set()
        self.counts: Counter[str] = Counter()

    async def send(self, count: int, pause: float) -> None:
        """Replay `count` times, on average `pause` seconds apart; the first ones are one of each kind."""
        kinds = ["letter, cut short", "letter", "delivery", "dead again"]
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in range(count):
            due += pause * self._chance.uniform(0.5, 1.5)
            await asyncio.sleep(max(0.0, due - loop.time()))
            kind = kinds[number] if number < len(kinds) else self._chance.choice(kinds)
            if kind == "delivery":
                await self._delivery()
            elif kind == "dead again":
                await self._dead_again()
            else:
                await self._mended_letter(f"{HOOK}/mended-{number}", cut="cut" in kind)

    async def settle(self) -> None:
        """Replay what is left of the mended letters, as whoever was cut short does. TimeoutError when they
        do not go."""
        async with asyncio.timeout(_SETTLED_WITHIN):
            while left := self.mended & {letter.id for letter in await self._letters()}:
                await self._run("dead", "replay", *sorted(left), "--config", str(self._lab.config))

    async def _delivery(self) -> None:
        for _ in range(_TRIES):
            if accepted := sorted(self._traffic.taken.accepted):
                chosen = self._chance.choice(accepted)
                server = ("--server", self._lab.grpc, "--json")
                code, output = await self._run("deliveries", "replay", chosen, *server)
                if not code:
                    self.told.add(json.loads(output)["replay"])
                    return
                # A gateway or an ingress is away, or the body went when its disk was full.
                self.counts["replays refused"] += 1
            await asyncio.sleep(_AGAIN)

    async def _dead_again(self) -> None:
        broken = sorted(self._traffic.taken.broken & self._traffic.taken.accepted)
        if broken:
            await self._letter(self._chance.choice(broken), cut=self._chance.random() < 0.3)

    async def _mended_letter(self, identity: str, *, cut: bool) -> None:
        post = self._traffic.push_again(identity)
        delivery = Delivery(
            id=identity,
            hook=HOOK,
            headers={name.lower(): text for name, text in post.headers.items()},
            body=post.body,
            received_at=0.0,
        )
        letter = DeadLetter(
            id=identity,
            origin="delivery",
            reason="a parser that was mended since",
            attempts=1,
            failed_at=0.0,
            body=encode_delivery(delivery),
        )
        self.mended.add(identity)
        while not await self._buried(letter):
            await asyncio.sleep(_AGAIN)
        await self._letter(identity, cut=cut)

    async def _letter(self, identity: str, *, cut: bool) -> None:
        code, _ = await self._run("dead", "replay", identity, "--config", str(self._lab.config), cut=cut)
        if cut and code == -signal.SIGKILL:
            self.counts["letters sent, the command killed before it removed them"] += 1
        else:
            self.counts["letters' replays refused" if code else "letters replayed"] += 1

    async def _buried(self, letter: DeadLetter) -> bool:
        try:
            await self._bus.bury(letter)
        except Temporary:
            return False
        return True

    async def _letters(self) -> list[DeadLetter]:
        while True:
            try:
                return await self._bus.dead_letters()
            except Temporary:
                await asyncio.sleep(_AGAIN)

    async def _run(self, *arguments: str, cut: bool = False) -> tuple[int, str]:
        if not cut:
            done = await asyncio.to_thread(run, *arguments, cwd=_CHECKOUT, timeout=_COMMAND_WITHIN)
            return done.returncode, done.stdout
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.faults.cut_short", *arguments),
            cwd=_CHECKOUT,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_COMMAND_WITHIN):
                output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode is not None
        return process.returncode, output.decode()

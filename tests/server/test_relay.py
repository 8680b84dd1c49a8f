"""Every spooled delivery becomes published facts or a dead letter, whatever the bus and the parsers do."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.codec import load_event
from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent, Rejected, Temporary
from hookfetch.core.events import BranchPushed, Fact, Pinged, UpstreamFact
from hookfetch.core.ports import Bus, DeadLetter, Forge, HookOptions, Message
from hookfetch.core.repository import RepositoryId, routing_key
from hookfetch.forges import load_forges
from hookfetch.server import relay as relay_module
from hookfetch.server.relay import Relay
from hookfetch.spool import SegmentSpool, append_from_outside, decode_delivery

WEBHOOKS = Path(__file__).parents[3] / "shared" / "corpus" / "webhooks"
SPOOL_BYTES = 64 * 1024 * 1024


class LineForge:
    """A forge whose body is lines of `<repository> <branch>`, each a push."""

    def verify(self, headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> None:
        raise AssertionError("a spooled delivery was verified before")

    def delivery_id(self, headers: Mapping[str, str], body: bytes) -> str | None:
        return None

    def parse(self, delivery: Delivery) -> list[UpstreamFact]:
        lines = delivery.body.decode().split("\n")
        if lines == ["unknown"]:
            raise Rejected("forge", "has no known\nform")
        if lines == ["ping"]:
            return [Pinged(id="p#0", delivery_id="p", observed_at=0, repositories=(RepositoryId("h/a"),))]
        return [_pushed(delivery, number, *line.split(" ")) for number, line in enumerate(lines)]


def _pushed(delivery: Delivery, number: int, repository: str, branch: str) -> BranchPushed:
    return BranchPushed(
        id=f"{delivery.id}#{number}",
        delivery_id=delivery.id,
        observed_at=delivery.received_at,
        repositories=tuple(RepositoryId(name) for name in repository.split("+")),
        ref=f"refs/heads/{branch}",
    )


class RecordingBus:
    """Stands in for a broker that fails on cue, which no real one does: `errors` come first, by fact."""

    def __init__(self, errors: Mapping[str, list[Exception]] | None = None) -> None:
        self.errors = dict(errors or {})
        self.facts: list[str] = []
        self.keys: dict[str, Sequence[str]] = {}
        self.letters: list[DeadLetter] = []

    async def publish_fact(self, keys: Sequence[str], message: Message) -> None:
        await asyncio.sleep(random.random() / 1000)
        if self.errors.get(message.id):
            raise self.errors[message.id].pop(0)
        self.keys[message.id] = keys
        self.facts.append(message.id)

    async def bury(self, letter: DeadLetter) -> None:
        if self.errors.get(letter.id):
            raise self.errors[letter.id].pop(0)
        self.letters.append(letter)


def delivery(name: str, body: str | bytes, hook: str = "lines") -> Delivery:
    data = body.encode() if isinstance(body, str) else body
    return Delivery(id=f"{hook}/{name}", hook=hook, headers={}, body=data, received_at=1.0)


@asynccontextmanager
async def relaying(
    spool: SegmentSpool, bus: object, forges: Mapping[str, Forge] | None = None
) -> AsyncIterator[Relay]:
    relay = Relay(spool, forges or {"lines": LineForge()}, bus, clock=lambda: 7.0)  # type: ignore[arg-type]  # what a relay uses of a bus
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def until(happened: Callable[[], object], within: float = 20.0) -> None:
    async with asyncio.timeout(within):
        while not happened():
            await asyncio.sleep(0.005)


def is_empty(directory: Path) -> bool:
    """Whether the spool holds nothing that a restart would bring back, once it is closed."""
    return not list(directory.iterdir())


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(relay_module, "MOST_PAUSE", 0.05)


async def test_each_fact_is_published_by_all_names_of_its_repository_and_then_done(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "h/a+h/b main\nh/c dev"))
        async with relaying(spool, bus):
            await until(lambda: len(bus.facts) == 2)
    assert bus.keys == {
        "lines/1#0": [routing_key(RepositoryId("h/a")), routing_key(RepositoryId("h/b"))],
        "lines/1#1": [routing_key(RepositoryId("h/c"))],
    }
    assert is_empty(tmp_path)


async def test_pings_and_facts_without_a_repository_are_not_published(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "ping"))
        await spool.append(delivery("2", "h/a main"))
        async with relaying(spool, bus):
            await until(lambda: bus.facts)
    assert bus.facts == ["lines/2#0"]


async def test_a_bus_that_is_down_only_makes_deliveries_wait(tmp_path: Path) -> None:
    down: list[Exception] = [Temporary("no broker")] * 5
    bus = RecordingBus({"lines/1#0": down})
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "h/a main"))
        async with relaying(spool, bus):
            await until(lambda: bus.facts == ["lines/1#0"])
    assert not bus.letters


async def test_facts_of_one_repository_keep_their_order_and_others_overtake(tmp_path: Path) -> None:
    bus = RecordingBus({"lines/0#0": [Temporary("not yet")] * 8})
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        for number in range(30):
            await spool.append(delivery(str(number), f"h/{'other' if number % 3 else 'slow'} main"))
        # It has two names, and so it stands in both lines.
        await spool.append(delivery("30", "h/slow+h/other main"))
        async with relaying(spool, bus):
            await until(lambda: len(bus.facts) == 31)
    slow = [f"lines/{number}#0" for number in range(0, 30, 3)]
    assert [fact for fact in bus.facts if fact in slow] == slow
    others = [f"lines/{number}#0" for number in range(30) if number % 3]
    assert [fact for fact in bus.facts if fact in others] == others
    assert bus.facts[:20] == others
    assert bus.facts[-1] == "lines/30#0"


@pytest.mark.parametrize(
    ("body", "hook", "reason"),
    [
        ("unknown", "lines", "forge: has no known form"),
        ("not a line of two", "lines", "TypeError: "),
        (b"\xff", "lines", "UnicodeDecodeError: "),
        ("h/a main", "gone", "the hook 'gone' is no longer configured"),
    ],
)
async def test_what_cannot_be_parsed_is_buried_with_its_reason(
    tmp_path: Path, body: str | bytes, hook: str, reason: str
) -> None:
    bus = RecordingBus({f"{hook}/1": [Temporary("full"), OSError("unforeseen")]})
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", body, hook))
        await spool.append(delivery("2", "h/a main"))
        async with relaying(spool, bus):
            await until(lambda: bus.letters and bus.facts)
    assert bus.facts == ["lines/2#0"]
    [letter] = bus.letters
    assert letter.reason.startswith(reason)
    assert (letter.id, letter.origin, letter.attempts, letter.failed_at) == (f"{hook}/1", "delivery", 1, 7.0)
    assert decode_delivery(letter.body) == delivery("1", body, hook)
    assert is_empty(tmp_path)


async def test_a_dead_delivery_is_relayed_when_it_is_put_back_after_the_fix(tmp_path: Path) -> None:
    bus = RecordingBus()
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "h/a main", hook="later"))
        async with relaying(spool, bus):
            await until(lambda: bus.letters)
        async with relaying(spool, bus, {"later": LineForge()}):
            append_from_outside(tmp_path, decode_delivery(bus.letters[0].body), SPOOL_BYTES)
            await until(lambda: bus.facts == ["later/1#0"])


async def test_a_fact_that_the_bus_will_never_take_buries_its_delivery(tmp_path: Path) -> None:
    bus = RecordingBus({"lines/1#0": [Permanent("too large for the broker")]})
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "h/a main"))
        await spool.append(delivery("2", "h/a main"))
        async with relaying(spool, bus):
            await until(lambda: bus.letters and bus.facts)
    assert bus.facts == ["lines/2#0"]
    assert "too large for the broker" in bus.letters[0].reason


async def test_more_than_a_window_waits_on_disk_and_all_of_it_gets_through(tmp_path: Path) -> None:
    count = 3 * relay_module.WINDOW
    down = {f"lines/{number}#0": [Temporary("no broker")] for number in range(count)}
    bus = RecordingBus(down)
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await asyncio.gather(*(spool.append(delivery(str(n), f"h/{n % 7} main")) for n in range(count)))
        async with relaying(spool, bus):
            await until(lambda: len(bus.facts) == count)
    assert len(set(bus.facts)) == count
    assert is_empty(tmp_path)


async def test_a_large_body_is_parsed_like_any_other(tmp_path: Path) -> None:
    lines = "\n".join(f"h/{number % 5} branch{number}" for number in range(20_000))
    assert len(lines) > relay_module.LARGE_BODY
    bus = RecordingBus()
    bus.publish_fact = _at_once(bus)  # type: ignore[method-assign]  # 20,000 pauses would be long
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", lines))
        await spool.append(delivery("2", "h/1 after"))
        async with relaying(spool, bus):
            await until(lambda: "lines/2#0" in bus.facts)
    assert bus.facts == [*(f"lines/1#{number}" for number in range(20_000)), "lines/2#0"]


def _at_once(bus: RecordingBus) -> object:
    async def publish_fact(_: Sequence[str], message: Message) -> None:
        bus.facts.append(message.id)

    return publish_fact


async def test_stopped_anywhere_and_restarted_nothing_is_lost_or_out_of_order(tmp_path: Path) -> None:
    bus = RecordingBus({f"lines/{number}#0": [Temporary("flaky")] for number in range(0, 60, 7)})
    bodies = [f"h/{number % 4} one\nh/{number % 4} two" for number in range(60)]
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        for number, body in enumerate(bodies):
            await spool.append(delivery(str(number), body))
    for round_number in range(40):
        async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool, relaying(spool, bus):
            await asyncio.sleep(round_number / 4000)
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("last", "h/last main"))
        async with relaying(spool, bus):
            await until(lambda: "lines/last#0" in bus.facts and len(set(bus.facts)) == 121)
    for repository in range(4):
        mine = [f"lines/{n}#{k}" for n in range(repository, 60, 4) for k in (0, 1)]
        firsts = list(dict.fromkeys(fact for fact in bus.facts if fact in mine))
        assert firsts == mine


async def test_one_relay_stopped_and_started_again_goes_on_with_what_it_held(tmp_path: Path) -> None:
    bus = RecordingBus({"lines/1#0": [Temporary("no broker")] * 1000})
    async with SegmentSpool(tmp_path, SPOOL_BYTES) as spool:
        await spool.append(delivery("1", "h/a main"))
        async with relaying(spool, bus) as relay:
            await until(lambda: len(bus.errors["lines/1#0"]) < 1000)
            await relay.stop()
            bus.errors.clear()
            await relay.start()
            await until(lambda: bus.facts == ["lines/1#0"])


def corpus(forge: str) -> list[Delivery]:
    """The recorded deliveries of a forge, as the door would have stored them."""
    found = []
    for number, path in enumerate(sorted((WEBHOOKS / forge).rglob("*.headers.json"))):
        headers = {k.lower(): v for k, v in json.loads(path.read_text())["headers"].items()}
        body = path.with_name(path.name.replace(".headers.json", ".json")).read_bytes()
        found.append(
            Delivery(id=f"{forge}/{number}", hook=forge, headers=headers, body=body, received_at=1.0)
        )
    return found


async def test_recorded_deliveries_reach_the_project_that_follows_their_repository(tmp_path: Path) -> None:
    forges = {name: factory(HookOptions()) for name, factory in load_forges().items()}
    deliveries = [delivery for name in ("github", "gitlab", "gitea") for delivery in corpus(name)]
    facts = [fact for delivery in deliveries for fact in forges[delivery.hook].parse(delivery)]
    expected = {fact.id for fact in facts if fact.repositories and not isinstance(fact, Pinged)}
    followed = {name for fact in facts for name in fact.repositories}
    assert len(expected) > 40
    bus: Bus = MemoryBus(tmp_path / "dead")
    handled: set[str] = set()

    async def handle(message: Message) -> None:
        event = load_event(message.body)
        assert isinstance(event, Fact)
        assert followed.issuperset(event.repositories)
        handled.add(event.id)

    async def on_active() -> None:
        await bus.bind("project", frozenset(map(routing_key, followed)))

    await bus.start()
    subscription = await bus.coordinate("project", handle, on_active)
    async with SegmentSpool(tmp_path / "spool", SPOOL_BYTES) as spool:
        for stored in deliveries:
            await spool.append(stored)
        async with relaying(spool, bus, forges):
            await until(lambda: handled == expected)
    await subscription.cancel()
    await bus.close()
    assert await bus.dead_letters() == []
    assert is_empty(tmp_path / "spool")

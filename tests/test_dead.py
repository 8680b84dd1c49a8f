"""`hookfetch dead` as a user types it, beside a service that runs or not."""

import asyncio
import json
from pathlib import Path

import pytest

from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import broker_address
from hookfetch.bus.rabbitmq.spool import BrokerSpool
from hookfetch.core.codec import dump_event
from hookfetch.core.delivery import Delivery
from hookfetch.core.events import BranchPushed
from hookfetch.core.ports import DeadLetter
from hookfetch.core.repository import RepositoryId
from hookfetch.dead import Wanted, content, describe
from hookfetch.spool import SegmentSpool, decode_delivery, encode_delivery
from hookfetch.spool.record import decode_deliveries, encode_deliveries
from tests.bus.rabbits import empty_shared_queues
from tests.support.commands import run as hookfetch


def dead_delivery(number: int, *, hook: str = "gl", body: bytes = b'{"object_kind": "x"}') -> DeadLetter:
    delivery = Delivery(
        id=f"{hook}/{number}",
        hook=hook,
        headers={"x-hub-signature-256": "sha256=s3cr3t", "x-gitlab-event": "Push"},
        body=body,
        received_at=5.0,
    )
    return DeadLetter(
        id=delivery.id,
        origin="delivery",
        reason="forge: has no Known form",
        attempts=number,
        failed_at=float(number),
        body=encode_delivery(delivery),
    )


def dead_event(project: str = "gnome") -> DeadLetter:
    event = BranchPushed(
        id="gl/9#0",
        delivery_id="gl/9",
        observed_at=6.0,
        repositories=(RepositoryId("x/y"),),
        ref="refs/heads/main",
    )
    return DeadLetter(
        id=event.id,
        origin=f"project:{project}",
        reason="bug: KeyError",
        attempts=2,
        failed_at=50.0,
        body=dump_event(event),
    )


JOB = DeadLetter(
    id="job-1", origin="jobs", reason="its worker died", attempts=20, failed_at=60.0, body=b"\xff"
)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "hookfetch.toml").write_text("state_dir = 'state'\n")
    folder = DeadLetterFolder(tmp_path / "state" / "dead")
    for letter in (dead_delivery(1), dead_delivery(2, hook="gh", body=b"a=\xff"), dead_event(), JOB):
        folder.add(letter)
    return tmp_path / "hookfetch.toml"


def left(config: Path) -> list[str]:
    return [letter.id for letter in DeadLetterFolder(config.parent / "state" / "dead").letters()]


def listed(config: Path, *arguments: str) -> list[str]:
    done = hookfetch("dead", "list", "--json", "--config", str(config), *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["id"] for line in done.stdout.splitlines()]


def test_a_letter_names_its_delivery_event_attempts_and_last_error() -> None:
    delivery, event = describe(dead_delivery(3)), describe(dead_event())
    assert (delivery.kind, delivery.hook, delivery.delivery_id, delivery.received_at, delivery.attempts) == (
        "delivery",
        "gl",
        "gl/3",
        5.0,
        3,
    )
    assert (event.kind, event.project, event.hook, event.delivery_id, event.event) == (
        "event",
        "gnome",
        "gl",
        "gl/9",
        "branch_pushed",
    )
    assert (describe(JOB).kind, describe(JOB).hook) == ("job", None)


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        (Wanted(hook="gl"), ["gl/1", "gl/9#0"]),
        (Wanted(project="gnome"), ["gl/9#0"]),
        (Wanted(kind="job"), ["job-1"]),
        (Wanted(since=50.0), ["gl/9#0", "job-1"]),
        (Wanted(reason="KNOWN"), ["gl/1", "gh/2"]),
        (Wanted(hook="gl", kind="delivery"), ["gl/1"]),
        (Wanted(ids=frozenset({"gh/2", "job-1"})), ["gh/2", "job-1"]),
    ],
)
def test_filters_are_all_to_hold(wanted: Wanted, ids: list[str]) -> None:
    letters = [dead_delivery(1), dead_delivery(2, hook="gh"), dead_event(), JOB]
    assert [letter.id for letter in letters if wanted.admits(describe(letter))] == ids


def test_content_is_decoded_and_hides_what_proves_the_sender() -> None:
    shown = content(dead_delivery(1))
    assert shown["body"] == {"object_kind": "x"}
    assert shown["headers"] == {"x-hub-signature-256": "(hidden)", "x-gitlab-event": "Push"}
    assert content(dead_delivery(2, body=b"a=\xff"))["body"] == "a=\\xff"
    assert content(dead_delivery(2, body=b"[" * 100_000))["body"] == "[" * 100_000
    assert content(JOB)["body"] == "\\xff"


def test_a_damaged_letter_is_still_described() -> None:
    damaged = describe(DeadLetter(**{**_fields(dead_delivery(1)), "body": b"\x00"}))
    assert (damaged.id, damaged.hook, damaged.received_at) == ("gl/1", "gl", None)


def _fields(letter: DeadLetter) -> dict[str, object]:
    return {name: getattr(letter, name) for name in DeadLetter.__dataclass_fields__}


def test_list_filters_and_is_bounded(config: Path) -> None:
    assert listed(config) == ["gl/1", "gh/2", "gl/9#0", "job-1"]
    assert listed(config, "--limit", "2") == ["gl/1", "gh/2"]
    assert listed(config, "--hook", "gh") == ["gh/2"]
    assert listed(config, "--since", "1970-01-01T00:00:50") == ["gl/9#0", "job-1"]
    lines = hookfetch("dead", "list", "--config", str(config)).stdout.splitlines()
    assert lines[1] == "1970-01-01T00:00:02Z  gh/2  delivery  gh  2 attempts  forge: has no Known form"


def test_show_prints_the_body_and_no_secret(config: Path) -> None:
    done = hookfetch("dead", "show", "gl/1", "--config", str(config))
    assert '"object_kind": "x"' in done.stdout
    assert "s3cr3t" not in done.stdout
    as_json = json.loads(hookfetch("dead", "show", "gl/1", "--json", "--config", str(config)).stdout)
    assert as_json["body"] == {"object_kind": "x"}
    missing = hookfetch("dead", "show", "gl/77", "--config", str(config))
    assert (missing.returncode, "no such dead letter: gl/77" in missing.stderr) == (1, True)


async def test_replay_puts_deliveries_into_the_spool_with_their_attempts(config: Path) -> None:
    done = hookfetch("dead", "replay", "--kind", "delivery", "--config", str(config))
    assert (done.returncode, done.stdout) == (0, "gl/1  replayed\ngh/2  replayed\n")
    assert left(config) == ["gl/9#0", "job-1"]
    async with SegmentSpool(config.parent / "state" / "spool", 2**20) as spool:
        taken = await spool.take(9)
    assert [(each.delivery.id, each.delivery.attempts) for each in taken] == [("gl/1", 1), ("gh/2", 2)]


def test_replay_marks_an_event_for_the_running_service_and_forgets_a_job(config: Path) -> None:
    done = hookfetch("dead", "replay", "gl/9#0", "job-1", "gl/77", "--json", "--config", str(config))
    assert done.returncode == 1
    assert "no such dead letter: gl/77" in done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["gl/9#0", "job-1"]
    assert left(config) == ["gl/1", "gh/2"]
    folder = DeadLetterFolder(config.parent / "state" / "dead")
    assert folder.replayed("project:gnome", 9) == [dead_event()]


def test_a_damaged_delivery_stays_and_the_others_are_replayed(config: Path) -> None:
    folder = DeadLetterFolder(config.parent / "state" / "dead")
    folder.add(DeadLetter(**{**_fields(dead_delivery(0)), "body": b"\x00"}))  # type: ignore[arg-type]  # fields of a letter
    done = hookfetch("dead", "replay", "--all", "--config", str(config))
    assert (done.returncode, "gl/0  stays: not a spooled delivery" in done.stderr) == (1, True)
    assert left(config) == ["gl/0"]


def test_drop_wants_ids_or_filters_with_yes(config: Path) -> None:
    for arguments in ([], ["--hook", "gl"], ["--yes"]):
        assert hookfetch("dead", "drop", *arguments, "--config", str(config)).returncode == 2
    assert len(left(config)) == 4
    assert hookfetch("dead", "drop", "job-1", "--config", str(config)).stdout == "job-1  dropped\n"
    done = hookfetch("dead", "drop", "--hook", "gl", "--kind", "delivery", "--yes", "--config", str(config))
    assert done.stdout == "gl/1  dropped\n"
    assert left(config) == ["gh/2", "gl/9#0"]


def test_a_time_that_is_none_is_a_usage_error(config: Path) -> None:
    done = hookfetch("dead", "list", "--since", "yesterday", "--config", str(config))
    assert (done.returncode, "is no time" in done.stderr) == (2, True)


def _use_broker(config: Path, url: str) -> None:
    config.write_text(f"state_dir = 'state'\n[bus]\nurl = '{url}'\n")


@pytest.mark.broker
async def test_on_a_broker_a_delivery_is_replayed_to_whichever_ingress_takes_it(
    config: Path, amqp_url: str
) -> None:
    await empty_shared_queues(amqp_url)
    _use_broker(config, amqp_url)
    bus = RabbitBus(amqp_url, confirm_timeout=10.0)
    await bus.start()
    for letter in (dead_delivery(3), JOB):
        await bus.bury(letter)
    assert listed(config) == ["gl/3", "job-1"]
    assert hookfetch("dead", "replay", "--hook", "gl", "--config", str(config)).stdout == "gl/3  replayed\n"
    spool = BrokerSpool(broker_address(amqp_url), 10.0, encode_deliveries, decode_deliveries)
    await spool.open()
    async with asyncio.timeout(20):
        [taken] = await spool.take(9)
    assert (taken.delivery.id, taken.delivery.attempts) == ("gl/3", 3)
    assert taken.delivery.body == decode_delivery(dead_delivery(3).body).body
    await spool.done([taken])
    await spool.close()
    assert [letter.id for letter in await bus.dead_letters()] == ["job-1"]
    assert hookfetch("dead", "drop", "job-1", "--config", str(config)).returncode == 0
    assert await bus.dead_letters() == []
    await bus.close()

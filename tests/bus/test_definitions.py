"""deploy/rabbitmq/definitions.json is what the code declares, and a broker that imported it takes the bus."""

import json
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from tests.bus.recorder import Activations, Recorder, in_the_end
from tests.support.broker import PrivateBroker

DEFINITIONS = Path(__file__).parents[2] / "deploy/rabbitmq/definitions.json"
PROJECT = "example"  # a project's queues are declared when it is first coordinated


async def declare_on(broker: PrivateBroker, vhost: str) -> None:
    bus = RabbitBus(f"{broker.url}{vhost}", confirm_timeout=10.0)
    await in_the_end(bus.start)
    await bus.bind(PROJECT, frozenset())
    await bus.coordinate(PROJECT, Recorder(), Activations())
    await bus.close()


def objects(broker: PrivateBroker, vhost: str) -> dict[str, list[dict[str, object]]]:
    """Return the broker's queues and exchanges as definitions write them."""
    queues = broker.ctl(
        "list_queues", "-p", vhost, "name", "durable", "auto_delete", "arguments", "--formatter", "json"
    )
    exchanges = broker.ctl(
        "list_exchanges", "-p", vhost, "name", "type", "durable", "auto_delete", "internal", "arguments",
        "--formatter", "json",
    )  # fmt: skip
    return {
        "queues": [_object(item, vhost) for item in json.loads(queues)],
        "exchanges": [_object(item, vhost) for item in json.loads(exchanges) if "hookfetch" in item["name"]],
    }


def _object(item: dict[str, object], vhost: str) -> dict[str, object]:
    arguments = item["arguments"]
    if isinstance(arguments, list):  # how the tools of 3.10 write a table: name, type, value
        arguments = {name: value for name, _, value in arguments}
    return {**item, "vhost": vhost, "arguments": arguments}


def ordered(items: list[dict[str, object]]) -> list[dict[str, object]]:
    return sorted(items, key=lambda item: str(item["name"]))


@pytest.mark.broker
async def test_the_definitions_are_what_the_bus_declares(breakable_broker: PrivateBroker) -> None:
    breakable_broker.ctl("add_vhost", "hookfetch")
    breakable_broker.ctl("set_permissions", "-p", "hookfetch", "guest", ".*", ".*", ".*")
    await declare_on(breakable_broker, "hookfetch")
    declared = objects(breakable_broker, "hookfetch")
    written = json.loads(DEFINITIONS.read_text())
    assert ordered(declared["queues"]) == ordered(written["queues"])
    assert ordered(declared["exchanges"]) == ordered(written["exchanges"])
    assert written["bindings"] == []
    breakable_broker.ctl("delete_vhost", "hookfetch")


@pytest.mark.broker
async def test_the_bus_starts_on_imported_definitions_as_their_user(breakable_broker: PrivateBroker) -> None:
    breakable_broker.ctl("import_definitions", str(DEFINITIONS))
    breakable_broker.ctl("change_password", "hookfetch", "s3cret")
    place = breakable_broker.url.rpartition("@")[2]
    bus = RabbitBus(f"amqp://hookfetch:s3cret@{place}hookfetch", confirm_timeout=10.0)
    await in_the_end(bus.start)
    active = Activations()
    await bus.bind(PROJECT, frozenset({"key"}))
    await bus.coordinate(PROJECT, Recorder(), active)
    inbox = await bus.inbox(Recorder())
    assert inbox.address
    await bus.close()


def test_the_definitions_hold_no_password() -> None:
    [user] = json.loads(DEFINITIONS.read_text())["users"]
    assert user["password_hash"] == ""
    assert "password" not in user

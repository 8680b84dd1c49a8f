"""The permissions of `deploy/rabbitmq/definitions.json` are as few as can be: without any of their parts
something fails, in one line that names it and says where the right ones stand. (That they suffice,
`test_definitions` shows.)"""

import asyncio
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.core.errors import Temporary
from tests.bus.recorder import Recorder, in_the_end, message
from tests.bus.test_definitions import DEFINITIONS
from tests.support.broker import PrivateBroker

[PERMISSIONS] = json.loads(DEFINITIONS.read_text())["permissions"]
KINDS = ("configure", "write", "read")
PASSWORD = "s3cret"


def parts(kind: str) -> list[str]:
    """Return the alternatives of a pattern, which has the form `^(one|other).*$`."""
    found = re.fullmatch(r"\^\((.*)\)\.\*\$", PERMISSIONS[kind])
    assert found
    return found[1].split("|")


def user_without(kind: str, part: str) -> str:
    return f"without-{kind}-{re.sub('[^a-z]', '', part)}"


def users_of(left_out: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Return definitions of a user for each part, who has all of the others."""
    permissions = []
    for kind, part in left_out:
        patterns = {name: [each for each in parts(name) if (name, each) != (kind, part)] for name in KINDS}
        allowed = {name: f"^({'|'.join(patterns[name])}).*$" for name in KINDS}
        permissions.append({"user": user_without(kind, part), "vhost": "/", **allowed})
    users = [{"name": each["user"], "password": PASSWORD, "tags": ""} for each in permissions]
    return {"users": users, "permissions": permissions}


async def use(bus: RabbitBus) -> None:
    """Do, at least once, all that needs a permission."""
    await bus.start()
    await bus.bind("example", frozenset({"key"}))
    await bus.publish_fact(["key"], message("fact"))
    await bus.publish_job("p", "background", message("job"))
    await bus.inbox(Recorder())
    await bus.answer(Recorder())
    await bus.dead_letters()


async def why_refused(place: str, user: str) -> str:
    bus = RabbitBus(f"amqp://{user}:{PASSWORD}@{place}", confirm_timeout=3.0)
    with pytest.raises(Temporary) as refused:
        await use(bus)
    await bus.close()
    return str(refused.value)


@pytest.mark.broker
async def test_without_any_part_something_is_refused_in_one_line(
    breakable_broker: PrivateBroker, tmp_path: Path
) -> None:
    owner = RabbitBus(breakable_broker.url, confirm_timeout=10.0)
    await in_the_end(lambda: use(owner))
    await owner.close()
    left_out = [(kind, part) for kind in KINDS for part in parts(kind)]
    (tmp_path / "users.json").write_text(json.dumps(users_of(left_out)))
    breakable_broker.ctl("import_definitions", str(tmp_path / "users.json"))
    place = breakable_broker.url.partition("@")[2]
    reasons = await asyncio.gather(*(why_refused(place, user_without(*each)) for each in left_out))
    for (kind, part), reason in zip(left_out, reasons, strict=True):
        refused = f"access to (queue|exchange) '{part.rstrip('$')}[^']*' in vhost '/' refused for user"
        assert re.search(f"{refused} '{user_without(kind, part)}'", reason)
        assert reason.endswith("the user needs the permissions in deploy/rabbitmq/definitions.json")
        assert "\n" not in reason

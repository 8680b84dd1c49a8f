"""What a project is bound to before anyone knows what it follows comes beside what was bound before."""

from tests.bus.conftest import Connect
from tests.bus.recorder import Recorder, message, unique, until
from tests.bus.test_behaviour import coordinated


async def test_keys_are_added_to_those_of_an_earlier_process_and_later_replaced_with_them(
    connect: Connect,
) -> None:
    old, own, last, project, recorder = (*map(unique, ("old", "own", "last", "p")), Recorder())
    await (await connect()).bind(project, frozenset({old}))
    bus = await connect()
    for _ in range(2):
        await bus.bind(project, frozenset({own}), keep=True)
    await coordinated(bus, project, recorder)
    for key in (old, own):
        await bus.publish_fact([key], message(key))
    await until(lambda: own in recorder.ids)
    await bus.bind(project, frozenset({last}))
    for key in (old, own, last):
        await bus.publish_fact([key], message(f"{key} again"))
    await until(lambda: f"{last} again" in recorder.ids)
    assert recorder.ids == [old, own, f"{last} again"]

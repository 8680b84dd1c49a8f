"""What every bus promises about questions."""

import asyncio

from hookfetch.core.ports import Message
from tests.bus.conftest import Connect
from tests.bus.recorder import Activations, Recorder, message, unique, until


async def test_a_question_reaches_everyone_who_answers(connect: Connect) -> None:
    bus, other = await connect(), await connect()
    one, two, three = Recorder(), Recorder(), Recorder()
    for at, recorder in ((bus, one), (bus, two), (other, three)):
        await at.answer(recorder)
    asked = unique("question")
    await other.publish_question(message(asked))
    await until(lambda: all(asked in recorder.ids for recorder in (one, two, three)))
    assert one.messages[-1] == Message(id=asked, body=f"body of {asked}".encode())


async def test_a_question_is_not_kept_for_who_comes_later(connect: Connect) -> None:
    bus = await connect()
    early, late = unique("early"), unique("late")
    await bus.publish_question(message(early))
    recorder = Recorder()
    await bus.answer(recorder)
    await bus.publish_question(message(late))
    await until(lambda: late in recorder.ids)
    assert early not in recorder.ids


async def test_who_left_hears_nothing(connect: Connect) -> None:
    bus = await connect()
    gone, there, asked = Recorder(), Recorder(), unique("question")
    subscription = await bus.answer(gone)
    await bus.answer(there)
    await subscription.cancel()
    await bus.publish_question(message(asked))
    await until(lambda: asked in there.ids)
    assert gone.ids == []


async def test_an_answer_comes_to_the_asker_s_inbox(connect: Connect) -> None:
    bus, other = await connect(), await connect()
    replies = Recorder()
    inbox = await bus.inbox(replies)
    asked = unique("question")

    async def answer(question: Message) -> None:
        if question.id == asked:
            await other.publish_reply(inbox.address, Message(id=asked, body=b"here"))

    await other.answer(answer)
    await bus.publish_question(message(asked))
    await until(lambda: replies.ids == [asked])


async def test_a_question_overtakes_a_backlog_of_events(connect: Connect) -> None:
    bus = await connect()
    project, gate, heard = unique("p"), asyncio.Event(), Recorder()
    active = Activations()

    async def stuck(event: Message) -> None:
        await gate.wait()

    await bus.coordinate(project, stuck, active)
    await bus.answer(heard)
    await until(lambda: active.count == 1)
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(bus.publish_event(project, message(f"{number}")))
        asked = unique("question")
        await bus.publish_question(message(asked))
        await until(lambda: asked in heard.ids, within=5.0)
        gate.set()

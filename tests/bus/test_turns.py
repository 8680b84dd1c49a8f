"""Free slots are fair between projects, and do not change their project for each job."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.core.ports import Message
from hookfetch.core.turns import TURN, Turn, next_project
from tests.bus.recorder import message, until


@pytest.mark.parametrize(
    ("turn", "busy", "now", "chosen"),
    [
        (Turn(), {}, 1.0, "b"),  # taken longest ago
        (Turn(), {"b": 1}, 1.0, "a"),
        (Turn("a", 0.0), {}, TURN - 0.1, "a"),
        (Turn("a", 0.0), {}, TURN, "b"),
        (Turn("a", 0.0), {"b": 1}, TURN, "a"),
        (Turn("a", 0.0), {"a": 1}, 0.1, "b"),  # two slots against none
        (Turn("a", 0.0), {"a": 1, "b": 1}, 0.1, "a"),
        (Turn("gone", 0.0), {}, 0.1, "b"),
    ],
)
def test_a_slot_stays_for_a_turn_unless_another_project_has_fewer(
    turn: Turn, busy: dict[str, int], now: float, chosen: str
) -> None:
    assert next_project(["a", "b"], turn, busy, {"a": 0.5, "b": 0.0}, now) == chosen


@pytest.mark.parametrize("slots", [1, 2])
async def test_a_project_with_a_thousand_jobs_starves_no_other(
    slots: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hookfetch.core.turns.TURN", 0.05)
    bus, done = MemoryBus(tmp_path), []

    async def work(job: Message) -> None:
        await asyncio.sleep(0.005)
        done.append(job.id)

    for number in range(1000):
        await bus.publish_job("many", "background", message(f"many-{number}"))
    await bus.publish_job("one", "background", message("one-0"))
    for number in range(20):
        await bus.publish_job("few", "background", message(f"few-{number}"))
    await bus.work(work, slots)
    await until(lambda: "one-0" in done and "few-19" in done)
    before = Counter(job.partition("-")[0] for job in done[: done.index("few-19")])
    assert before["many"] < 200
    assert done.index("one-0") < 100
    await bus.close()

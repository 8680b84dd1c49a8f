"""Dead letters from the command line: list them, and replay them after a fix. Works beside a
running service.
"""

import asyncio

from hookfetch.config import Config
from hookfetch.core.errors import Temporary
from hookfetch.core.ports import Bus, DeadLetter, Message
from hookfetch.spool.outside import append_from_outside
from hookfetch.spool.record import decode_delivery


async def replay(bus: Bus, config: Config, letter: DeadLetter) -> None:
    """Send a dead letter where it was going, then remove it: killed in between, it is repeated,
    which ids make harmless. Temporary when it cannot be sent now."""
    kind, _, project = letter.origin.partition(":")
    if kind == "delivery":
        delivery = decode_delivery(letter.body)
        await asyncio.to_thread(append_from_outside, config.state_dir / "spool", delivery)
    elif kind == "project" and config.bus.broker_url() is not None:
        await bus.publish_event(project, Message(id=letter.id, body=letter.body))
    elif kind == "project":
        raise Temporary(
            f"{letter.id}: an event of the in-process bus is not replayed: replay its delivery at the forge"
        )
    # A job needs no sending: its coordinator hands it out again when its lease ends.
    await bus.exhume(letter.id)

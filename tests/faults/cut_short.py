"""`hookfetch`, whose `dead replay` is ended as by a power cut at its worst moment: a letter is sent and not
yet removed."""

import os
import signal

import hookfetch.dead
from hookfetch.cli import main
from hookfetch.config import Config
from hookfetch.core.ports import Bus, DeadLetter

_whole = hookfetch.dead.replay


async def _sent_and_killed(bus: Bus, config: Config, letter: DeadLetter) -> None:
    await _whole(bus, config, letter)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    hookfetch.dead.replay = _sent_and_killed
    main()

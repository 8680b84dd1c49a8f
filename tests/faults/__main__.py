"""`python -m tests.faults`: a long run, its counts on stdout; ends with 1 if anything was lost or doubled."""

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click

from hookfetch.logs import configure_logs
from tests.faults.run import Size, run
from tests.faults.verdict import Verdict
from tests.support.broker import PrivateBroker
from tests.support.cluster import PrivateCluster


def main() -> None:
    """Run once, or with each of several seeds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=60, help="kills, freezes and full disks")
    parser.add_argument("--pause", type=float, default=5.0, help="mean seconds between them")
    parser.add_argument("--replays", type=int, default=60, help="of deliveries and dead letters")
    parser.add_argument("--nodes", type=int, default=1, help="of the broker; 3 for a cluster")
    parser.add_argument("--seed", type=int, default=None, help="the plan's; from the clock if not given")
    parser.add_argument("--keep", type=Path, help="a new folder for logs and stores, kept afterwards")
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    size = Size(
        deliveries=arguments.deliveries,
        faults=arguments.faults,
        pause=arguments.pause,
        replays=arguments.replays,
    )
    configure_logs("text", logging.ERROR)  # of this process, which loses its broker as the others do
    logging.getLogger("aiormq").setLevel(logging.CRITICAL)
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:7.1f} s  {text}")

    say(f"seed {seed}: {size.deliveries} deliveries, {size.faults} faults")
    with tempfile.TemporaryDirectory(prefix="hookfetch-faults-") as folder:
        root = arguments.keep or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        with PrivateBroker() if arguments.nodes == 1 else PrivateCluster(arguments.nodes) as broker:
            verdict = asyncio.run(_to_the_end(run(root.resolve(), broker, seed, size, say)))
    click.echo("\n".join(verdict.lines()))
    if verdict.faults:
        click.echo(f"seed {seed} found faults", err=True)
        sys.exit(1)


async def _to_the_end(whole: Coroutine[Any, Any, Verdict]) -> Verdict:
    """Run it; SIGTERM too ends what it started, and unmounts what it mounted."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await whole


if __name__ == "__main__":
    main()

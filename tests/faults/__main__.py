"""`python -m tests.faults`: a long run, its counts on stdout; ends with 1 if anything was lost or doubled."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.faults.run import Size, run
from tests.support.broker import PrivateBroker


def main() -> None:
    """Run once, or with each of several seeds."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=50, help="kills and freezes")
    parser.add_argument("--pause", type=float, default=7.0, help="mean seconds between them")
    parser.add_argument("--seed", type=int, default=None, help="the plan's; from the clock if not given")
    parser.add_argument("--keep", type=Path, help="a new folder for logs and stores, kept afterwards")
    arguments = parser.parse_args()
    seed = int(time.time()) if arguments.seed is None else arguments.seed
    size = Size(deliveries=arguments.deliveries, faults=arguments.faults, pause=arguments.pause)
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:7.1f} s  {text}")

    say(f"seed {seed}: {size.deliveries} deliveries, {size.faults} faults")
    with tempfile.TemporaryDirectory(prefix="hookfetch-faults-") as folder:
        root = arguments.keep or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        with PrivateBroker() as broker:
            verdict = asyncio.run(run(root.resolve(), broker, seed, size, say))
    click.echo("\n".join(verdict.lines()))
    if verdict.faults:
        click.echo(f"seed {seed} found faults", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()

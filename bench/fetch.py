"""An unmodified `bst source fetch` of 50 elements with an empty client, through hookfetch and without it.

    python -m bench.fetch [--rounds 20] [--delay 50] [--elements 50] [--json]

In turn, each time with empty folders of its own: hookfetch as the index of the source cache, and as its one
address; a plain cache that was filled before; and the upstreams, each of whose answers is held back by
`--delay` milliseconds. git_repo elements of some twenty files. Stops by itself.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
from pathlib import Path

from bench.upstreams import LightUpstreams
from hookfetch.client import Client
from hookfetch.demo.lab import Lab
from hookfetch.demo.processes import Serve
from hookfetch.demo.repositories import create_repository
from tests.support.bst_client import BstClient, as_index, as_only_server

READY_WITHIN = 60.0  # seconds
FILES = 20
LINES = 40  # of each file

Times = dict[str, list[float]]


class _Many(Lab):
    """The lab, with so many elements more."""

    def __init__(self, root: Path, count: int) -> None:
        super().__init__(root)
        self.elements = [f"many-{number}.bst" for number in range(count)]

    def start(self, amqp: str | None = None) -> None:
        """Make everything and start the upstreams and the cache."""
        super().start(amqp)
        for element in self.elements:
            name = element.removesuffix(".bst")
            repository = create_repository(self.root / "upstreams", name)
            files = {f"src/{number}.c": _text(name, number) for number in range(FILES)}
            commit = repository.commit(files, "First")
            text = f"kind: import\nsources:\n- kind: git_repo\n  url: upstream:{name}.git\n  track: main\n"
            (self.root / "project/elements" / element).write_text(f"{text}  ref: {commit}\n")


def _text(name: str, number: int) -> str:
    return "".join(f"/* {name}: line {line} of file {number} */\n" for line in range(LINES))


async def measure(options: argparse.Namespace) -> Times:
    """Return the seconds of each round by way."""
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
        root = Path(folder)
        lab = _Many(root, options.elements)
        lab.upstreams = LightUpstreams(root / "upstreams", delay=options.delay / 1000)
        serve = Serve(lab.config, root)
        try:
            await asyncio.to_thread(lab.start)
            await serve.start()
            await serve.line("loaded", lambda line: line["event"] == "project loaded", READY_WITHIN)
            await serve.line("serving", lambda line: line["event"] == "serving", READY_WITHIN)
            async with Client(lab.grpc) as client:
                await asyncio.gather(*(client.fetch(lab.project, element) for element in lab.elements))
            return await _rounds(lab, options.rounds)
        finally:
            await serve.stop()
            await asyncio.to_thread(lab.stop)


async def _rounds(lab: _Many, rounds: int) -> Times:
    clients = {
        "hookfetch as index": BstClient(lab, as_index(lab), "index"),
        "hookfetch alone": BstClient(lab, as_only_server(lab), "alone"),
        "filled plain cache": BstClient(lab, [{"url": lab.cache.url, "type": "all"}], "plain"),
        "upstreams": BstClient(lab, [], "upstreams"),
    }
    times: Times = {way: [] for way in clients}
    for number in range(-1, rounds):  # the first is the warm-up
        for way, client in clients.items():
            client.forget()
            ran = await client.fetch("--deps", "none", *lab.elements)
            pulled = 0 if way == "upstreams" else len(lab.elements)
            if (ran.code, ran.pulled) != (0, pulled):
                raise SystemExit(f"{way}: rc {ran.code}, {ran.pulled} pulled\n{ran.told[-2000:]}")
            if number >= 0:
                times[way].append(ran.seconds)
    return times


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--delay", type=int, default=50)
    parser.add_argument("--elements", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(times))
        return
    title = f"{options.elements} elements, {options.rounds} rounds, s"
    print(f"{title:<32}{'median':>8}{'least':>8}{'most':>8}{'to plain':>10}{'upstreams':>11}")
    plain, upstreams = (statistics.median(times[way]) for way in ("filled plain cache", "upstreams"))
    for way, values in times.items():
        median = statistics.median(values)
        row = f"{median:>8.2f}{min(values):>8.2f}{max(values):>8.2f}"
        print(f"{way:<32}{row}{median / plain:>10.2f}{upstreams / median:>11.2f}")


if __name__ == "__main__":
    main()

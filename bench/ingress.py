"""How many signed deliveries a second does the durable ingress take, beside gidgethub that stores nothing?

`python -m bench.ingress [--json]`: one process a receiver, one sender at 64 connections in
a process of its own, alternating rounds, on 127.0.0.1. Medians, spread and the ratio of
the rounds that lie side by side. `hookfetch` is the ingress as a process of its own,
`hookfetch+relay` the one that also parses and publishes in the same process; its backlog is
waited for before the next round begins. `paced` rows compare latencies under one and the same
load: nine tenths of what gidgethub takes at its best in that round.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

BASELINE = "gidgethub"
RELAYING = "hookfetch+relay"
RECEIVERS = ("hookfetch", BASELINE, RELAYING)
PACED = ("hookfetch", BASELINE)
PACE = 0.9
BACKLOG_SECONDS = 30.0
Round = Mapping[str, float]


@contextmanager
def running(name: str, folder: Path) -> Iterator[int]:
    """Start a receiver; give the port it listens on."""
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.ingress_receivers", name, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
            process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()


def load(port: int, requests: int, connections: int, seed: int, rate: int = 0) -> Round:
    """Send one round, at `rate` a second unless it is 0; return what the sender measured."""
    arguments = map(str, (port, requests, connections, seed, rate))
    done = subprocess.run(
        [sys.executable, "-m", "bench.ingress_load", *arguments],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    measured: Round = json.loads(done.stdout)
    if measured["refused"]:
        raise SystemExit(f"{measured['refused']:.0f} deliveries were refused: nothing was measured")
    return measured


def wait_for_backlog(log: Path, relayed: int) -> None:
    """Return once the receiver that writes `log` has published `relayed` deliveries."""
    deadline = time.monotonic() + BACKLOG_SECONDS
    while log.read_bytes().count(b'"event": "relayed"') < relayed:
        if time.monotonic() > deadline:
            raise SystemExit(f"the relay did not get through {relayed} deliveries in {BACKLOG_SECONDS:.0f} s")
        time.sleep(0.1)


def compare(receivers: Sequence[str], rounds: int, requests: int, connections: int) -> dict[str, list[Round]]:
    """Run every receiver in turn, `rounds` times after one to warm up: as fast as it answers, and
    those in `PACED` at `PACE` of what the baseline took as fast as it could."""
    results: dict[str, list[Round]] = {name: [] for name in (*receivers, *map(_paced, PACED))}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookfetch-bench-")))
        ports = {name: stack.enter_context(running(name, folder / name)) for name in receivers}
        for number in range(rounds + 1):
            for name in receivers:
                measured = load(ports[name], requests, connections, number)
                if number:
                    results[name].append(measured)
                if name == RELAYING:
                    wait_for_backlog(folder / name / "log", (number + 1) * requests)
            for name in PACED if number else ():
                rate = int(PACE * results[BASELINE][-1]["rate"])
                results[_paced(name)].append(load(ports[name], requests, connections, number, rate))
    return results


def _paced(name: str) -> str:
    return f"{name} paced"


def summary(results: Mapping[str, Sequence[Round]]) -> dict[str, dict[str, float]]:
    """Return for each receiver the medians, the least and most rate, and the median ratio of rates."""
    baseline = [measured["rate"] for measured in results[BASELINE]]
    rows: dict[str, dict[str, float]] = {}
    for name, rounds in results.items():
        rates = [measured["rate"] for measured in rounds]
        rows[name] = {
            "rate": statistics.median(rates),
            "least": min(rates),
            "most": max(rates),
            "p50_ms": statistics.median(measured["p50"] for measured in rounds),
            "p99_ms": statistics.median(measured["p99"] for measured in rounds),
            "ratio": statistics.median(rate / other for rate, other in zip(rates, baseline, strict=True)),
            "sender_cpu": statistics.median(measured["cpu"] for measured in rounds),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000, help="a round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = summary(compare(RECEIVERS, options.rounds, options.requests, options.connections))
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'receiver':<20}{'req/s':>8}{'least':>8}{'most':>8}{'p50 ms':>9}{'p99 ms':>9}{'ratio':>8}")
    for name, row in rows.items():
        print(
            f"{name:<20}{row['rate']:>8.0f}{row['least']:>8.0f}{row['most']:>8.0f}"
            f"{row['p50_ms']:>9.1f}{row['p99_ms']:>9.1f}{row['ratio']:>8.2f}"
        )


if __name__ == "__main__":
    main()

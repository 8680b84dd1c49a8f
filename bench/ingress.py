"""How many signed deliveries a second does the durable ingress take, beside receivers that store nothing?

`python -m bench.ingress [--json]`: one process a receiver, one sender at 64 connections in
a process of its own, alternating rounds, on 127.0.0.1. Medians, spread and the ratio of
the rounds that lie side by side to those of @octokit/webhooks on node's http server, or of
gidgethub where node or its package cannot be had. `hookfetch` is the ingress as a process of its
own, `hookfetch+relay` the one that also parses and publishes in the same process; its backlog is
waited for before the next round begins. `half` rows are each receiver's latencies at half of what it
took at its best in that round, `paced` rows those under one and the same load: nine tenths
of what gidgethub takes. `cpu` is the receiver's own time for one delivery, which other work on
the machine changes least.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ingress_deliveries import SECRET

OURS = "hookfetch"
OCTOKIT = "octokit"
GIDGETHUB = "gidgethub"
RELAYING = "hookfetch+relay"
PACED = (OURS, GIDGETHUB)
PACE = 0.9
HALF = 0.5
PACKAGE = "@octokit/webhooks@14"
BACKLOG_SECONDS = 30.0
Round = Mapping[str, float]


@dataclass(frozen=True)
class Receiver:
    """A running receiver: the port it listens on, and its process."""

    port: int
    process: int

    def cpu(self) -> float:
        """Return the seconds of processor time that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def octokit_folder(folder: Path) -> Path | None:
    """Install @octokit/webhooks into `folder`; None, and a line that says so, where that cannot be done."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        print("octokit: skipped, there is no node and npm here", flush=True)
        return None
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(folder),
        PACKAGE,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"octokit: skipped, npm does not install it: {reason}", flush=True)
        return None
    return folder


@contextmanager
def running(name: str, folder: Path, octokit: Path | None) -> Iterator[Receiver]:
    """Start a receiver; it ends with the block."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "bench.ingress_receivers", name, str(folder)]
    if name == OCTOKIT:
        command = ["node", str(Path(__file__).with_name("ingress_octokit.mjs")), SECRET]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=octokit if name == OCTOKIT else None,
        )
        try:
            assert process.stdout is not None
            yield Receiver(int(process.stdout.readline()), process.pid)
            process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()


def load(receiver: Receiver, requests: int, connections: int, seed: int, rate: int = 0) -> Round:
    """Send one round, at `rate` a second unless it is 0; return what the sender measured."""
    arguments = map(str, (receiver.port, requests, connections, seed, rate))
    before = receiver.cpu()
    done = subprocess.run(
        [sys.executable, "-m", "bench.ingress_load", *arguments],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    measured: Round = json.loads(done.stdout)
    measured = {**measured, "receiver_us": (receiver.cpu() - before) / requests * 1e6}
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


def compare(rounds: int, requests: int, connections: int) -> dict[str, list[Round]]:
    """Run every receiver in turn, `rounds` times after one to warm up: as fast as it answers, then at
    half of that, then those in `PACED` at `PACE` of what gidgethub took as fast as it could."""
    results: dict[str, list[Round]] = defaultdict(list)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hookfetch-bench-")))
        octokit = octokit_folder(folder / "node")
        names = [OURS, *([OCTOKIT] if octokit else []), GIDGETHUB, RELAYING]
        receivers = {name: stack.enter_context(running(name, folder / name, octokit)) for name in names}
        relayed = 0
        for number in range(rounds + 1):
            best: dict[str, float] = {}
            for name in names:
                measured = load(receivers[name], requests, connections, number)
                best[name] = measured["rate"]
                if number:
                    results[name].append(measured)
                if name == RELAYING:
                    relayed += requests
                    wait_for_backlog(folder / name / "log", relayed)
            if number == 0:
                continue
            for name in (item for item in names if item != RELAYING):
                rate = int(HALF * best[name])
                results[f"{name} half"].append(
                    load(receivers[name], min(requests, 2 * rate), connections, number, rate)
                )
            for name in PACED:
                rate = int(PACE * best[GIDGETHUB])
                results[f"{name} paced"].append(load(receivers[name], requests, connections, number, rate))
    return results


def summary(results: Mapping[str, Sequence[Round]]) -> dict[str, dict[str, float]]:
    """Return for each receiver the medians, the least and most, and the median ratio of rates."""
    baseline = [measured["rate"] for measured in results.get(OCTOKIT, results[GIDGETHUB])]
    rows: dict[str, dict[str, float]] = {}
    for name, rounds in results.items():
        rates = [measured["rate"] for measured in rounds]
        rows[name] = {
            "rate": statistics.median(rates),
            "least": min(rates),
            "most": max(rates),
            "p50_ms": statistics.median(measured["p50"] for measured in rounds),
            "p99_ms": statistics.median(measured["p99"] for measured in rounds),
            "p99_most_ms": max(measured["p99"] for measured in rounds),
            "ratio": statistics.median(rate / other for rate, other in zip(rates, baseline, strict=True)),
            "cpu_us": statistics.median(measured["receiver_us"] for measured in rounds),
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
    rows = summary(compare(options.rounds, options.requests, options.connections))
    if options.json:
        print(json.dumps(rows))
        return
    print(
        f"{'receiver':<18}{'req/s':>7}{'least':>7}{'most':>7}{'p50 ms':>8}{'p99 ms':>8}{'most':>7}"
        f"{'cpu us':>8}{'ratio':>7}"
    )
    for name, row in rows.items():
        print(
            f"{name:<18}{row['rate']:>7.0f}{row['least']:>7.0f}{row['most']:>7.0f}"
            f"{row['p50_ms']:>8.1f}{row['p99_ms']:>8.1f}{row['p99_most_ms']:>7.1f}"
            f"{row['cpu_us']:>8.0f}{row['ratio']:>7.2f}"
        )


if __name__ == "__main__":
    main()

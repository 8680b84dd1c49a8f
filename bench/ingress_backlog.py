"""What do deliveries that nobody relays cost the ingress in memory, and how long does a start with them take?

`python -m bench.ingress_backlog [--deliveries N] [--json]`: signed deliveries of about 10 KB, no two
alike, are sent to the ingress as a process of its own with no relay behind it; its resident memory
(VmHWM: the most it ever had, and VmRSS at the end) is read from the kernel. Then it is ended and started
again on the same spool, and the time until it answers `/ready` is taken.
"""

import argparse
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ingress import OURS, Receiver, load, running

CONNECTIONS = 64
ROUND = 5000
READY_SECONDS = 60.0
MEGABYTE = 1e6


def memory(receiver: Receiver) -> tuple[float, float]:
    """Return what a receiver holds and the most it ever held, in MB."""
    lines = Path(f"/proc/{receiver.process}/status").read_text().splitlines()
    kib = {
        name: int(text.split()[0])
        for name, _, text in (line.partition(":") for line in lines)
        if "kB" in text
    }
    return kib["VmRSS"] * 1024 / MEGABYTE, kib["VmHWM"] * 1024 / MEGABYTE


@contextmanager
def started(folder: Path) -> Iterator[tuple[Receiver, float]]:
    """Start the ingress in `folder`; give it and the seconds until it was ready."""
    began = time.monotonic()
    with running(OURS, folder, None) as receiver:
        with urllib.request.urlopen(f"http://127.0.0.1:{receiver.port}/ready", timeout=READY_SECONDS):
            ready = time.monotonic() - began
        yield receiver, ready


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as scratch:
        folder = Path(scratch) / "ingress"
        with started(folder) as (receiver, empty):
            at_start, _ = memory(receiver)
            began = time.monotonic()
            for number in range(0, options.deliveries, ROUND):
                load(receiver, min(ROUND, options.deliveries - number), CONNECTIONS, number)
            took = time.monotonic() - began
            queued, most = memory(receiver)
        spool = sum(path.stat().st_size for path in (folder / "spool").rglob("*") if path.is_file())
        with started(folder) as (receiver, full):
            restarted, _ = memory(receiver)
    row = {
        "deliveries": options.deliveries,
        "sent_in_s": took,
        "spool_mb": spool / MEGABYTE,
        "start_empty_s": empty,
        "start_full_s": full,
        "rss_at_start_mb": at_start,
        "rss_queued_mb": queued,
        "rss_most_mb": most,
        "rss_restarted_mb": restarted,
    }
    print(
        json.dumps(row)
        if options.json
        else "\n".join(f"{name:<18}{value:>10.2f}" for name, value in row.items())
    )


if __name__ == "__main__":
    main()

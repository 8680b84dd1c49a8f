"""Runs every benchmark and writes what they print to RESULTS.md: `make bench`, or `python -m bench`."""

import os
import platform
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PROGRAMS = {
    "latency": "A delivery becomes a ref update at a watcher (the goal: at least 6 times faster than bst)",
    "ingress": "The ingress, everything durable, against @octokit/webhooks on node and gidgethub+aiohttp,"
    " which store nothing (the goals: a ratio of at least 1, and a p99 under 50 ms at half its peak)",
    "ingress_backlog": "100,000 deliveries in the spool that nobody relays (the goal: under 150 MB)",
    "relay": "A full spool through the relay to RabbitMQ (the goal: 2,000 events a second)",
    "shortcut": "One new commit through the engine, with the shortcut and BuildStream's way",
    "index": "Building the index and looking up a repository and ref",
}


def main() -> None:
    """Run the programs one after the other; end with 1 if one of them does not end well."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    parts = [
        "# Results\n",
        f"`make bench` on {machine}; load and service share the cores. Look at medians and ratios.\n",
    ]
    failed = False
    for name, title in PROGRAMS.items():
        print(f"== {title}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=600, check=False)
        print(done.stdout, flush=True)
        failed = failed or done.returncode != 0
        parts.append(f"## {title}\n\n`python -m bench.{name}`\n\n```\n{done.stdout.rstrip()}\n```\n")
    if failed:
        sys.exit(1)
    RESULTS.write_text("\n".join(parts))


if __name__ == "__main__":
    main()

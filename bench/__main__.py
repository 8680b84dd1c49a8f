"""Runs the benchmarks and writes what they print to RESULTS.md: `make bench`, or `python -m bench [--all]`.

Without `--all` the long ones keep the part that RESULTS.md has of them.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path

RESULTS = Path(__file__).with_name("RESULTS.md")
PROGRAMS = {
    "latency": "A delivery becomes a ref update at a watcher (the goals for git_repo: 20 times faster than"
    " bst, 8 times with upstreams 50 ms away)",
    "floor": "One new commit through the engine, against the least it can cost (the goal for git_repo and"
    " git: under 2 times)",
    "ingress": "The ingress, everything durable, against @octokit/webhooks on node and gidgethub+aiohttp,"
    " which store nothing (the goals: a ratio of at least 1, and a p99 under 50 ms at half its peak)",
    "ingress_backlog": "100,000 deliveries in the spool that nobody relays (the goal: under 150 MB)",
    "relay": "A full spool through the relay to RabbitMQ (the goal: 2,000 events a second)",
    "shortcut": "One new commit through the engine, with the shortcut and BuildStream's way",
    "track": "One unchanged element tracked by name (the goal: under 2 times a bare ls-refs plus 5 ms)",
    "watchers": "One update at 1,000 watchers (the goal: the last has it in under 100 ms)",
    "asset": "A leased hit of the Remote Asset service, against the cache's own (the goal: under 2 times)",
    "index": "Building the index and looking up a repository and ref",
}
LONG = {
    "feeds": "10,000 feeds, 95 % of them unchanged (the goals: under 60 s, under 200 MB, and never more"
    " questions at once to a host than it bears)",
    "many": "50 changed elements, against bst track, fetch and push (the goal: 6 times faster)",
    "sweep": "An unchanged sweep of gnome-build-meta, against bst track (the goals: 10 times faster, and"
    " under 2 times a bare loop)",
    "fetch": "bst source fetch of 50 elements by an empty client (the goals: half the time of upstreams 50 ms"
    " away, and within 15 percent of a filled plain cache)",
    "storage": "What bst downloads to resolve, fetch and build 50 elements (the goal with shared storage:"
    " under 1 percent of their bytes)",
    "worker": "A worker over 544 elements (the goals: a reload under 0.5 s, under 300 MB, flat over 1,000"
    " jobs)",
}
WITHIN = 900  # seconds a program


def main() -> None:
    """Run the programs one after the other; end with 1 if one of them does not end well."""
    programs = PROGRAMS | (LONG if "--all" in sys.argv[1:] else {})
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    parts = [
        "# Results\n",
        f"`make bench` on {machine}; load and service share the cores. Look at medians and ratios.\n",
    ]
    failed = False
    for name, title in programs.items():
        print(f"== {title}", flush=True)
        command = [sys.executable, "-m", f"bench.{name}"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=WITHIN, check=False)
        print(done.stdout, flush=True)
        failed = failed or done.returncode != 0
        parts.append(f"## {title}\n\n`python -m bench.{name}`\n\n```\n{done.stdout.rstrip()}\n```\n")
    if failed:
        sys.exit(1)
    parts += [kept for name in LONG if name not in programs and (kept := _kept(name))]
    RESULTS.write_text("\n".join(parts))


def _kept(name: str) -> str:
    """Return what RESULTS.md says of a program, empty if nothing."""
    parts = RESULTS.read_text().split("\n## ")[1:] if RESULTS.exists() else []
    return "".join(f"## {part.rstrip()}\n" for part in parts if f"`python -m bench.{name}`" in part)


if __name__ == "__main__":
    main()

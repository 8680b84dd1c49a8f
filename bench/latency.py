"""From a delivery's POST to the ref update at a watcher, against the `bst` processes that do the same.

    python -m bench.latency [--rounds 8] [--kinds git_repo,git,git_tag,tar] [--delays 0,50] [--json]

One element a kind, upstream on loopback with each answer held back by `--delays` milliseconds, a new commit
each time, the two ways in turn on the same project and source cache: the service's (post a signed delivery,
wait for the watcher), and `bst source track` followed by `bst source push` with a warm cache of its own. No
delivery tells of a tarball: it is tracked by name (`hookfetch track`) instead. Stops by itself.
"""

import argparse
import asyncio
import hashlib
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path

import aiohttp

from hookfetch.client import Client, RefUpdate
from hookfetch.client.watch import Watch
from hookfetch.demo.deliveries import github_push
from hookfetch.demo.lab import HOOK, Lab
from hookfetch.demo.processes import Serve
from hookfetch.demo.repositories import create_repository, create_tarball
from hookfetch.demo.upstreams import UpstreamServer

READY_WITHIN = 60.0
ELEMENTS = {"git_repo": "alpha", "git": "gamma", "git_tag": "epsilon", "tar": "delta"}
TARBALL = "delta-1.0.tar.gz"

Times = dict[str, list[float]]


async def measure(options: argparse.Namespace) -> dict[str, Times]:
    """Return the milliseconds of each round, by case and way."""
    cases: dict[str, Times] = {}
    for delay in options.delays:
        with tempfile.TemporaryDirectory(prefix="hookfetch-bench-") as folder:
            root = Path(folder)
            lab = Lab(root)
            lab.upstreams = UpstreamServer(root / "upstreams", delay=delay / 1000)
            serve = Serve(lab.config, root)
            try:
                await asyncio.to_thread(_start, lab)
                await serve.start()
                await serve.line("loaded", lambda line: line["event"] == "project loaded", READY_WITHIN)
                await serve.line("serving", lambda line: line["event"] == "serving", READY_WITHIN)
                for kind in options.kinds:
                    cases[f"{kind} {delay} ms"] = await Round(lab, kind).repeated(options.rounds)
            finally:
                await serve.stop()
                await asyncio.to_thread(lab.stop)
    return cases


def _start(lab: Lab) -> None:
    """Start the lab, with a git_tag element besides."""
    lab.start()
    repository = create_repository(lab.root / "upstreams", "epsilon")
    commit = repository.commit({"README": "epsilon, as it was\n"}, "First")
    lab.repositories["epsilon"] = repository
    project = lab.root / "project"
    conf = project / "project.conf"
    conf.write_text(conf.read_text().replace("[git_repo]", "[git_repo, git_tag]"))
    source = f"- kind: git_tag\n  url: upstream:epsilon.git\n  track: main\n  ref: {commit}\n"
    (project / "elements/epsilon.bst").write_text(f"kind: import\nsources:\n{source}")
    # Nothing but deliveries is measured.
    lab.config.write_text(f"{lab.config.read_text()}[sweep]\ninterval_least = 1e7\ninterval_most = 1e7\n")


class Round:
    """New states of one kind's element, which each way notices."""

    def __init__(self, lab: Lab, kind: str) -> None:
        self._lab = lab
        self._kind = kind
        self._name = ELEMENTS[kind]
        self._element = f"{self._name}.bst"

    async def repeated(self, rounds: int) -> Times:
        """Return the milliseconds of each round, by way."""
        times: Times = {"service": [], "bst": []}
        project = self._lab.project
        async with Client(self._lab.grpc) as client, aiohttp.ClientSession() as session:
            cursor = (await client.list(projects=[project])).cursor
            watch = client.watch(projects=[project], elements=[self._element], cursor=cursor)
            for number in range(-1, rounds):  # the first of each way is the warm-up
                service = await self._by_service(client, session, watch, number)
                bst = await asyncio.to_thread(self._by_bst, number)
                if number >= 0:
                    times["service"].append(service)
                    times["bst"].append(bst)
            await watch.aclose()
        return times

    def _move(self, text: str) -> tuple[str, str]:
        """Make a new state; return what the refs before and after hold."""
        if self._kind == "tar":
            archive = create_tarball(self._lab.root / "upstreams", TARBALL, {"delta-1.0/README": text})
            return "", hashlib.sha256(archive.read_bytes()).hexdigest()
        repository = self._lab.repositories[self._name]
        return repository.commit_of("refs/heads/main") or "", repository.commit({"README": text}, text)

    async def _by_service(
        self, client: Client, session: aiohttp.ClientSession, watch: Watch, number: int
    ) -> float:
        before, after = self._move(f"service {number}")
        update = asyncio.ensure_future(_update_with(watch, after))
        await asyncio.sleep(0)
        if self._kind == "tar":
            begun = time.perf_counter()
            await client.track(self._lab.project, self._element)
        else:
            url = self._lab.repositories[self._name].url(self._lab.upstreams.url)
            headers, body = github_push(
                url, "refs/heads/main", before, after, self._lab.secret, str(uuid.uuid4())
            )
            begun = time.perf_counter()
            hook = f"http://{self._lab.ingress}/hooks/{HOOK}"
            async with session.post(hook, data=body, headers=headers) as response:
                assert response.status == 202
        await update
        return 1000 * (time.perf_counter() - begun)

    def _by_bst(self, number: int) -> float:
        _, after = self._move(f"bst {number}")
        begun = time.perf_counter()
        for command in ("track", "push"):
            done = self._lab.bst("source", command, self._element, push=True)
            assert done.returncode == 0, done.stderr
        took = time.perf_counter() - begun
        # git_tag 2.4.0 does not see that a branch moved since its first clone: bst has less to do.
        assert (
            self._kind == "git_tag"
            or after in (self._lab.root / "project/elements" / self._element).read_text()
        )
        return 1000 * took


async def _update_with(watch: Watch, ref: str) -> None:
    """Return once `ref` is announced as cached."""
    async for update in watch:
        if isinstance(update, RefUpdate) and ref in str(update.changes[0].ref):
            assert update.cached
            return


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--kinds", type=lambda text: text.split(","), default=list(ELEMENTS))
    parser.add_argument(
        "--delays", type=lambda text: [int(part) for part in text.split(",")], default=[0, 50]
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cases = asyncio.run(measure(options))
    if options.json:
        print(json.dumps(cases))
        return
    columns = ("service", "least", "most", "bst", "least", "most", "times", "least", "most")
    print(f"{f'{options.rounds} rounds, ms':<20}" + "".join(f"{name:>8}" for name in columns))
    for case, times in cases.items():
        ratios = [bst / service for service, bst in zip(times["service"], times["bst"], strict=True)]
        row = "".join(
            f"{statistics.median(values):>8.1f}{min(values):>8.1f}{max(values):>8.1f}"
            for values in (times["service"], times["bst"], ratios)
        )
        print(f"{case:<20}{row}")


if __name__ == "__main__":
    main()

"""Elements whose sources are worth not downloading, and a client whose every byte is counted."""

import hashlib
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from hookfetch.client_configuration import client_configuration
from hookfetch.config import ProjectConfig
from hookfetch.core.sources import Aliases, LoadedProject
from hookfetch.demo.lab import Lab
from hookfetch.demo.repositories import create_repository, create_tarball
from tests.support.bst_client import BstClient, Ran
from tests.support.counting_proxy import CountingProxy

TARGET = "all.bst"  # a stack of them all
_KINDS = ("git_repo", "git", "tar")


@dataclass(frozen=True)
class Sources:
    """Elements that were written, and how many bytes their files have together."""

    elements: Sequence[str]
    size: int


def write_elements(lab: Lab, count: int, *, files: int = 20, size: int = 50_000) -> Sources:
    """Write import elements of all kinds in turn, each of so many `files` of `size` bytes at random."""
    numbers = random.Random(count)
    elements = []
    for number in range(count):
        content = {f"d{place % 4}/f{place}": numbers.randbytes(size) for place in range(files)}
        name, kind = f"big-{number}", _KINDS[number % len(_KINDS)]
        source = {"kind": kind, **_upstream(lab, name, kind, content)}
        path = lab.root / f"project/elements/{name}.bst"
        path.write_text(json.dumps({"kind": "import", "sources": [source]}))  # JSON is YAML
        elements.append(path.name)
    stack = {"kind": "stack", "depends": elements}
    (lab.root / "project/elements" / TARGET).write_text(json.dumps(stack))
    return Sources(elements, count * files * size)


def _upstream(lab: Lab, name: str, kind: str, content: Mapping[str, bytes]) -> dict[str, str]:
    served = lab.root / "upstreams"
    if kind == "tar":
        archive = create_tarball(
            served, f"{name}.tar.gz", {f"top/{path}": data for path, data in content.items()}
        )
        return {"url": f"upstream:{archive.name}", "ref": hashlib.sha256(archive.read_bytes()).hexdigest()}
    commit = create_repository(served, name).commit(content, "first")
    return {"url": f"upstream:{name}.git", "track": "main", "ref": commit}


@dataclass(frozen=True)
class Downloaded:
    """How a command ended, and the bytes that came to the client meanwhile, by where from."""

    ran: Ran
    hookfetch: int
    cache: int
    upstreams: int

    @property
    def bytes(self) -> int:
        """Return how many came from anywhere."""
        return self.hookfetch + self.cache + self.upstreams


class CountedClient:
    """An unmodified `bst` that has hookfetch, the source cache and the upstreams behind a proxy each."""

    def __init__(self, client: BstClient, proxies: Mapping[str, CountingProxy]) -> None:
        self.client = client
        self._proxies = proxies

    async def run(self, *arguments: str) -> Downloaded:
        """Run a command to its end."""
        before = {name: proxy.down for name, proxy in self._proxies.items()}
        ran = await self.client.run(*arguments)
        return Downloaded(ran, **{name: proxy.down - before[name] for name, proxy in self._proxies.items()})


@contextmanager
def counted_client(lab: Lab, name: str, *, storage: bool) -> Iterator[CountedClient]:
    """Give a client that is configured as `hookfetch client config --gateway` says, with `storage` as it says
    with `--shared-storage`, too."""
    with ExitStack() as stack:
        hookfetch, cache, upstreams = (
            stack.enter_context(CountingProxy(target.removeprefix("http://")))
            for target in (lab.grpc, lab.cache.url, lab.upstreams.url)
        )
        made = client_configuration(
            ProjectConfig(name=lab.project, path="project", source_cache=f"http://{cache.address}"),
            LoadedProject(name="demo", elements=(), aliases=(Aliases(project="demo", aliases=()),)),
            [],
            lambda address: False,
            tokens=False,
            tracks=True,
            gateway=f"http://{hookfetch.address}",
            shares_storage=storage,
        )
        client = BstClient(lab, [], name, more=made.content)
        settings = client.project / "project.conf"
        there = f"http://{upstreams.address}"
        settings.write_text(settings.read_text().replace(lab.upstreams.url, there))
        yield CountedClient(client, {"hookfetch": hookfetch, "cache": cache, "upstreams": upstreams})

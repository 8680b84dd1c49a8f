"""What workers keep of upstreams serves an unmodified BuildStream, configured by `hookfetch client config`,
while the upstreams are away."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from hookfetch.bootstrap.access import access_of
from hookfetch.bootstrap.originals import originals_of
from hookfetch.config import load_config
from hookfetch.demo.lab import free_port
from hookfetch.demo.repositories import Repository
from hookfetch.demo.upstreams import UpstreamServer
from tests.engine.client import bst_as
from tests.engine.lab import Lab, running
from tests.support.certificates import Authority

pytestmark = [pytest.mark.engine, pytest.mark.asyncio(loop_scope="module")]

KINDS: dict[str, dict[str, Any]] = {
    "git_repo": {"url": "up:thing.git", "kind": "git_repo", "track": "main"},
    "tagged": {"url": "up:thing.git", "kind": "git_repo", "track": "v*"},
    "described": {"url": "up:thing.git", "kind": "git_repo", "track": "main", "ref-format": "git-describe"},
    # The only one that uses this repository: one commit is kept of it.
    "exact": {"url": "up:exact.git", "kind": "git_repo", "track": "v*", "ref-format": "git-describe"},
    "git": {"url": "up:thing.git", "kind": "git", "track": "main"},
    "git_tag": {"url": "up:thing.git", "kind": "git_tag", "track": "main"},
    "tar": {"url": "up:thing-1.tar.gz", "kind": "tar"},
}


@dataclass
class Served:
    """A project whose elements a worker has tracked and fetched once, its upstreams, and clients with the
    configuration that the command printed."""

    lab: Lab
    upstreams: UpstreamServer
    repository: Repository
    refs: dict[str, object]
    printed: dict[str, Any]
    config: Path
    clients: int = 0

    async def bst(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command as a client that has nothing yet."""
        return await asyncio.to_thread(bst_as, self.lab, self.home(), self.printed, *arguments)

    def home(self) -> Path:
        """Make the folder of a client that has nothing yet."""
        self.clients += 1
        home = self.lab.root / f"client{self.clients}"
        home.mkdir()
        (self.lab.project / ".bst2/workspaces.yml").unlink(missing_ok=True)  # of an earlier client
        return home

    def element(self, name: str, **more: Any) -> str:
        self.lab.element(f"{name}.bst", KINDS[name] | more)
        return f"it/{name}.bst"

    def written(self, name: str) -> object:
        (source,) = json.loads(_quoted((self.lab.project / f"elements/it/{name}.bst").read_text()))["sources"]
        return source.get("ref")


def _quoted(text: str) -> str:
    """Return JSON that BuildStream has put a plain `ref: …` into as JSON again."""
    before, found, after = text.partition(", ref: ")
    value, end, rest = after.partition("}")
    return f'{before}, "ref": "{value}"{end}{rest}' if found else text


def _text(folder: Path) -> str:
    """Return what the one text file of an upstream, or of the archive, says."""
    (file,) = (path for path in folder.iterdir() if path.name in {"README", "text"})
    return file.read_text()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    root = tmp_path_factory.mktemp("served")
    (root / "upstreams/it").mkdir(parents=True)
    with UpstreamServer(root / "upstreams") as upstreams:
        lab = Lab(root, f"{upstreams.url}/it", root / "upstreams/it")
        repository = lab.repository("thing")
        repository.tag("v1", message="one")
        repository.commit({"README": "second\n"}, "second")
        exact = lab.repository("exact")
        exact.commit({"README": "exact\n"}, "second")
        exact.tag("v2", message="two")
        lab.tarball("thing-1.tar.gz", "first")
        for name, source in KINDS.items():
            lab.element(f"{name}.bst", source)
        refs = {}
        async with running(lab, None) as bench:
            for name in KINDS:
                refs[name] = (await bench.run(f"{name}.bst")).refs[0].ref
        config = root / "hookfetch.toml"
        config.write_text(
            f'state_dir = "state"\n[originals]\nlisten = "127.0.0.1:{free_port()}"\n'
            '[[project]]\nname = "main"\npath = "project"\nsource_cache = "http://127.0.0.1:9"\n'
        )
        printed = await asyncio.to_thread(_print_config, config)
        del printed["projects"]["lab"]["source-caches"]  # nobody listens there
        yield Served(lab, upstreams, repository, refs, printed, config)


@asynccontextmanager
async def serving(config: Path) -> AsyncIterator[None]:
    """Serve originals as configured."""
    read = load_config(config)
    (part,) = originals_of(read, access_of(read)[0])
    await part.start()
    try:
        yield
    finally:
        await part.stop()


@asynccontextmanager
async def without(upstreams: UpstreamServer) -> AsyncIterator[None]:
    """Have `upstreams` be away."""
    upstreams.stop()
    try:
        yield
    finally:
        upstreams.start()


def _print_config(config: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "hookfetch", "client", "config", "--config", str(config)]
    done = subprocess.run(
        [*command, "--project", "main", "--json"], capture_output=True, check=True, timeout=60
    )
    printed: dict[str, Any] = json.loads(done.stdout)
    return printed


async def test_clients_track_fetch_and_open_workspaces_while_the_upstreams_are_away(served: Served) -> None:
    names = [served.element(name) for name in KINDS]
    place = served.lab.root / "workspaces"
    served.printed["workspacedir"] = str(place)
    async with serving(served.config), without(served.upstreams):
        tracked = await served.bst("source", "track", *names)
        assert tracked.returncode == 0, tracked.stderr
        assert {name: served.written(name) for name in KINDS} == served.refs

        fetched = await served.bst("source", "fetch", *names)
        assert fetched.returncode == 0, fetched.stderr

        opened = await served.bst("workspace", "open", *names)
        assert opened.returncode == 0, opened.stderr
    found = {name: _text(place / "it" / name) for name in KINDS}
    other = {"tagged": "thing", "exact": "exact\n", "tar": "first"}
    assert found == {**dict.fromkeys(KINDS, "second\n"), **other}


async def test_where_tokens_are_configured_clients_show_theirs_from_their_netrc_over_tls(
    served: Served,
) -> None:
    names = [served.element(name, ref=served.refs[name]) for name in KINDS]
    root, home = served.lab.root, served.home()
    authority = Authority(root, "authority")
    certificate, key = authority.certificate("originals", "127.0.0.1")
    token = "a-token-of-this-test-and-no-other-one"
    (root / "ci.token").write_text(token)
    config = root / "with-tokens.toml"
    config.write_text(
        served.config.read_text().replace(
            "[originals]", f'[originals]\ntls_cert = "{certificate.name}"\ntls_key = "{key.name}"'
        )
        + '[[caller]]\nname = "ci"\ntoken_files = ["ci.token"]\n'
        'grants = [{ scopes = ["originals"], projects = ["main"] }]\n'
    )
    listen = load_config(config).originals.listen
    printed = json.loads(json.dumps(served.printed).replace(f"http://{listen}", f"https://{listen}"))
    netrc = home / ".netrc"
    netrc.touch(mode=0o600)
    trusted = {"SSL_CERT_FILE": str(authority.file), "GIT_SSL_CAINFO": str(authority.file)}

    printed["scheduler"] = {"network-retries": 0}

    async def fetch(*names: str) -> "subprocess.CompletedProcess[str]":
        command = ("source", "fetch", *names)
        return await asyncio.to_thread(bst_as, served.lab, home, printed, *command, environment=trusted)

    async with serving(config), without(served.upstreams):
        without_token = await fetch(names[0])
        assert without_token.returncode != 0
        netrc.write_text(f"machine 127.0.0.1 login hookfetch password {token}\n")
        with_token = await fetch(*names)
        assert with_token.returncode == 0, with_token.stderr


async def test_a_mirror_that_lags_or_is_not_there_makes_no_client_worse_off(served: Served) -> None:
    new = served.repository.commit({"README": "third\n"}, "third")
    other = served.lab.repository("unknown").commit_of("refs/heads/main")
    names = [
        served.element("git_repo", ref=new),
        served.element("git", ref=new),
        served.element("git_tag", ref=f"v1-2-g{new}"),
    ]
    served.lab.element("unknown.bst", {"url": "up:unknown.git", "kind": "git_repo", "ref": other})
    async with serving(served.config):
        fetched = await served.bst("source", "fetch", *names, "it/unknown.bst")
    assert fetched.returncode == 0, fetched.stderr

"""The demo's world in one directory: three repositories and a tarball served over HTTP, a
BuildStream project that uses them, a source cache, and a configuration for `hookfetch serve`.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from hookfetch.demo.cache import SourceCache
from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from hookfetch.demo.upstreams import UpstreamServer

HOOK = "forge"

_PROJECT_CONF = """\
name: demo
min-version: 2.4
element-path: elements
aliases:
  upstream: {url}/
plugins:
- origin: pip
  package-name: buildstream-plugins-community
  sources: [git_repo]
- origin: pip
  package-name: buildstream-plugins
  sources: [git]
"""
_ELEMENT = """\
kind: import
sources:
- kind: {kind}
  url: upstream:{path}
"""


class Lab:
    """A running lab below `root` between start and stop; nothing outside `root` is written."""

    def __init__(self, root: Path, project: str = "demo") -> None:
        self.root = root
        self.project = project
        self.secret = secrets.token_hex(16)
        self.upstreams = UpstreamServer(root / "upstreams")
        self.cache = SourceCache(root / "source-cache")
        self.config = root / "hookfetch.toml"
        self.ingress = f"127.0.0.1:{free_port()}"
        self.grpc = f"127.0.0.1:{free_port()}"
        self.repositories: dict[str, Repository] = {}

    def start(self, amqp: str | None = None) -> None:
        """Make everything and start the upstreams and the cache."""
        served = self.root / "upstreams"
        served.mkdir(parents=True)
        self.upstreams.start()
        self.cache.start()
        (self.root / "project/elements").mkdir(parents=True)
        self._write("project.conf", _PROJECT_CONF.format(url=self.upstreams.url))
        for name, kind, track in (
            ("alpha", "git_repo", "main"),
            ("beta", "git_repo", "v*"),
            ("gamma", "git", "main"),
        ):
            repository = create_repository(served, name)
            commit = repository.commit({"README": f"{name}, as it was\n"}, "First")
            if track == "v*":
                repository.tag("v1.0")
            self.repositories[name] = repository
            element = _ELEMENT.format(kind=kind, path=f"{name}.git")
            self._write(f"elements/{name}.bst", f"{element}  track: {track}\n  ref: {commit}\n")
        archive = create_tarball(served, "delta-1.0.tar.gz", {"delta-1.0/README": "delta\n"})
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        element = _ELEMENT.format(kind="tar", path=archive.name)
        self._write("elements/delta.bst", f"{element}  ref: {digest}\n")
        self._write_config(amqp)

    def stop(self) -> None:
        """End every process of the lab."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.cache.stop)
            stack.callback(self.upstreams.stop)

    def element_with(self, name: str, old: str, new: str) -> None:
        """Write a ref update into an element's file, as a merge request would."""
        path = self.root / f"project/elements/{name}.bst"
        path.write_text(path.read_text().replace(f"ref: {old}", f"ref: {new}"))

    def bst(
        self, *arguments: str, push: bool = False, timeout: float = 120
    ) -> "subprocess.CompletedProcess[str]":
        """Run an unmodified `bst` as a client with folders of its own and the service's source cache,
        to which it may `push`; within `timeout` seconds."""
        client = self.root / "client"
        client.mkdir(exist_ok=True)
        config = client / "buildstream.conf"
        config.write_text(
            json.dumps(
                {
                    "sourcedir": str(client / "sources"),
                    "cachedir": str(client / "cache"),
                    "logdir": str(client / "logs"),
                    "scheduler": {"network-retries": 0},
                    "source-caches": {
                        "override-project-caches": True,
                        "servers": [{"url": self.cache.url, "type": "all", "push": push}],
                    },
                }
            )
        )
        command = [sys.executable, "-m", "buildstream", "--no-colors", "--config", str(config), *arguments]
        home = {
            "HOME": str(client),
            "XDG_CACHE_HOME": str(client / "xdg"),
            "PATH": _path_with_sandbox(client),
        }
        return subprocess.run(
            command,
            cwd=self.root / "project",
            env={**os.environ, **home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def _write(self, name: str, text: str) -> None:
        (self.root / "project" / name).write_text(text)

    def _write_config(self, amqp: str | None) -> None:
        secret = self.root / "hook.secret"
        secret.write_text(self.secret)
        secret.chmod(0o600)
        bus = ""
        if amqp is not None:
            url = self.root / "amqp.url"
            url.write_text(amqp)
            url.chmod(0o600)
            bus = '[bus]\nurl_file = "amqp.url"\n'
        self.config.write_text(
            f'state_dir = "state"\n\n{bus}\n'
            f'[ingress]\nlisten = "{self.ingress}"\n\n'
            f'[grpc]\nlisten = "{self.grpc}"\n\n'
            f'[[hook]]\nname = "{HOOK}"\nforge = "github"\nsecret_files = ["hook.secret"]\n\n'
            f'[[project]]\nname = "{self.project}"\npath = "project"\nsource_cache = "{self.cache.url}"\n'
        )


def _path_with_sandbox(client: Path) -> str:
    """Return a PATH on which `bst` finds a sandbox. It looks for one before it does anything; where
    bubblewrap is not installed, a stand-in is found that runs nothing, for a fetch needs none."""
    path = os.environ.get("PATH", os.defpath)
    if shutil.which("bwrap", path=path) is not None:
        return path
    stand_in = client / "bin/bwrap"
    stand_in.parent.mkdir(exist_ok=True)
    stand_in.write_text("#!/bin/sh\necho 'bubblewrap is not installed: nothing can be built' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    return f"{stand_in.parent}{os.pathsep}{path}"


def free_port() -> int:
    """Return a port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Upstreams that tell protocol v2's clients their refs themselves, in a millisecond; the rest is git's.

`git http-backend` takes two processes for each question, here on the cores that are measured: what it costs a
forge to answer is not what it costs to ask. Started by `LightUpstreams`; arguments as of `demo.upstreams`.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pygit2
from aiohttp import web
from aiohttp.typedefs import Handler

from hookfetch.demo.repositories import ISOLATED
from hookfetch.demo.upstreams import UpstreamServer, main, make_application

_FLUSH = b"0000"


class LightUpstreams(UpstreamServer):
    """The upstreams below a root, as `UpstreamServer` has them, with refs told by this program."""

    program = __name__


def make_light(root: Path, delay: float) -> web.Application:
    """Return the application."""

    capabilities = b""  # of git here, the same for every repository

    @web.middleware
    async def light(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal capabilities
        path = root / request.path.removeprefix("/")
        if request.headers.get("Git-Protocol") != "version=2":
            return await handler(request)
        if path.name == "refs":
            capabilities = capabilities or _capabilities(path.parents[1])
            return web.Response(body=capabilities, content_type="application/x-git-upload-pack-advertisement")
        if path.name != "git-upload-pack":
            return await handler(request)
        body = await request.read()
        if b"command=ls-refs\n" not in body:
            return await handler(request)
        answer = b"".join(_refs(path.parent, body)) + _FLUSH
        return web.Response(body=answer, content_type="application/x-git-upload-pack-result")

    application = make_application(root, delay)
    application.middlewares.append(light)
    return application


def _capabilities(path: Path) -> bytes:
    command = ["git", "upload-pack", "--stateless-rpc", "--http-backend-info-refs", str(path)]
    environment = {"PATH": os.environ["PATH"], **ISOLATED, "GIT_PROTOCOL": "version=2"}
    return subprocess.run(command, env=environment, capture_output=True, check=True, timeout=10).stdout


def _refs(path: Path, body: bytes) -> Iterator[bytes]:
    repository = pygit2.Repository(str(path))
    prefixes = [
        line.removesuffix(b"\n").partition(b"ref-prefix ")[2]
        for line in _lines(body)
        if line.startswith(b"ref-prefix ")
    ]
    head = repository.references.get("HEAD")
    for name in ["HEAD", *sorted(repository.references)]:
        if prefixes and not name.encode().startswith(tuple(prefixes)):
            continue
        ref = head if name == "HEAD" else repository.references[name]
        if ref is None:
            continue
        try:
            target = ref.resolve()
        except KeyError:
            continue  # a HEAD whose branch is not there
        line = f"{target.target} {name}"
        if name == "HEAD":
            line += f" symref-target:{ref.target}"
        yield _packet(line.encode() + b"\n")


def _lines(body: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(body):
        size = int(body[at : at + 4], 16)
        yield body[at + 4 : at + size] if size > 4 else b""
        at += max(4, size)


def _packet(line: bytes) -> bytes:
    return b"%04x" % (len(line) + 4) + line


if __name__ == "__main__":
    main(make_light)

"""An upstream for each kind of source that real projects track, which moves when it is told to."""

import base64
import gzip
import hashlib
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from hookfetch.core.sources import Ref
from hookfetch.demo.repositories import Repository, create_repository, create_tarball
from tests.engine.lab import Lab

# What `cargo generate-lockfile` does, as far as a ref is concerned.
CARGO = '#!/bin/sh\n{ echo "# made by $1"; cat Cargo.toml; } > Cargo.lock\n'
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass
class Index:
    """What is asked for elsewhere than in a folder: an image registry by path, and the index of packages
    that `pypi` asks on a host of its own choice."""

    url: str = ""
    images: dict[str, bytes] = field(default_factory=dict)
    packages: dict[str, object] = field(default_factory=dict)

    async def image(self, request: web.Request) -> web.Response:
        body = self.images.get(request.path)
        if body is None:
            raise web.HTTPNotFound
        headers = {"Docker-Content-Digest": _digest(body), "Content-Type": _MANIFEST}
        return web.Response(body=body, headers=headers)

    def package(self, path: str) -> bytes:
        return json.dumps(self.packages[path]).encode()


@dataclass
class Kind:
    """An element's `sources` as a person writes them, and what moves upstream: `move` returns the refs
    that its sources should have then."""

    sources: str
    move: Callable[[], Sequence[Ref]]


def git_repo(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("glib")
    text = "- kind: git_repo\n  url: up:glib.git\n  track: main # as ever\n"
    return Kind(text, lambda: [_commit(repository)])


def described_git_repo(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("glib")
    repository.tag("v1.0")
    text = "- kind: git_repo\n  url: up:glib.git\n  track: main\n  ref-format: git-describe\n"
    commits = iter(range(1, 10))
    return Kind(text, lambda: [f"v1.0-{next(commits)}-g{_commit(repository)}"])


def git(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("glib")
    return Kind("- kind: git\n  url: up:glib.git\n  track: main\n", lambda: [_commit(repository)])


def git_with_tags(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("glib")
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        commit, tag = _commit(repository), f"v1.{next(number)}"
        repository.tag(tag, message="one")
        return [{"ref": commit, "tags": [{"tag": tag, "commit": commit, "annotated": "True"}]}]

    return Kind("- kind: git\n  url: up:glib.git\n  track: main\n  track-tags: true\n", move)


def git_tag(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("glib")
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        commit, tag = _commit(repository), f"v1.{next(number)}"
        repository.tag(tag, message="one")
        return [f"{tag}-0-g{commit}"]

    return Kind("- kind: git_tag\n  url: up:glib.git\n  track: main\n  track-tags: true\n", move)


def git_module(lab: Lab, index: Index) -> Kind:
    inner, outer = lab.repository("inner"), lab.repository("outer")
    outer.commit({".gitmodules": '[submodule "sub"]\n\tpath = sub\n\turl = ../inner.git\n'}, "declare it")

    def move() -> Sequence[Ref]:
        commit = _commit(inner)
        return [outer.link("sub", commit, "move the submodule"), commit]

    text = (
        "- kind: git_repo\n  url: up:outer.git\n  track: main\n"
        "- kind: git_module\n  url: up:inner.git\n  path: sub\n"
    )
    return Kind(text, move)


def tar(lab: Lab, index: Index) -> Kind:
    return _archive(lab, "- kind: tar\n  url: up:top-1.tar.gz\n")


def remote(lab: Lab, index: Index) -> Kind:
    return _archive(lab, "- kind: remote\n  url: up:top-1.tar.gz\n")


def zip_(lab: Lab, index: Index) -> Kind:
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        path = lab.upstreams / "top-1.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("top/text", str(next(number)))
        return [_sha256(path.read_bytes())]

    return Kind("- kind: zip\n  url: up:top-1.zip\n", move)


def cargo2(lab: Lab, index: Index) -> Kind:
    outer, crate = lab.repository("outer"), create_repository(lab.upstreams, "crate")
    number = iter(range(1, 10))

    def move() -> Sequence[Ref]:
        version = f"1.{next(number)}.0"
        path = create_tarball(
            lab.upstreams, f"crates/leaf/leaf-{version}.crate", {f"leaf-{version}/Cargo.toml": "[package]\n"}
        )
        commit = crate.commit({"Cargo.toml": '[package]\nname = "twig"\n', "version": version}, version)
        url, sha = crate.url(lab.server), _sha256(path.read_bytes())
        lock = (
            f'[[package]]\nname = "leaf"\nversion = "{version}"\nsource = "registry+https://x"\n'
            f'checksum = "{sha}"\n\n'
            f'[[package]]\nname = "twig"\nversion = "0.1.0"\nsource = "git+{url}?branch=main#{commit}"\n'
        )
        head = outer.commit({"Cargo.lock": lock}, "lock")
        twig = {"kind": "git", "name": "twig", "version": "0.1.0", "repo": url, "commit": commit}
        return [
            head,
            [
                {"kind": "registry", "name": "leaf", "version": version, "sha": sha},
                {**twig, "query": {"branch": "main"}},
            ],
        ]

    text = "- kind: git_repo\n  url: up:outer.git\n  track: main\n- kind: cargo2\n  url: up:crates\n"
    return Kind(text, move)


def gen_cargo_lock(lab: Lab, index: Index) -> Kind:
    repository = lab.repository("outer")
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        manifest = f"[package]\nversion = {next(number)}\n"
        commit = repository.commit({"Cargo.toml": manifest}, "next")
        return [commit, base64.b64encode(f"# made by generate-lockfile\n{manifest}".encode()).decode()]

    return Kind("- kind: git_repo\n  url: up:outer.git\n  track: main\n- kind: gen_cargo_lock\n", move)


def go_module(lab: Lab, index: Index) -> Kind:
    outer, module = lab.repository("outer"), lab.repository("module")
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        version, commit = f"v1.{next(number)}.0", _commit(module)
        module.tag(version)
        name = "github.com/lab/module"
        head = outer.commit(
            {
                "go.mod": f"module lab\n\nrequire (\n\t{name} {version}\n)\n",
                "go.sum": f"{name} {version} h1:x\n",
            },
            "require it",
        )
        return [head, {"ref": {"go-version": version, "git-ref": f"{version}-0-g{commit}"}}]

    text = (
        "- kind: git_repo\n  url: up:outer.git\n  track: main\n"
        "- kind: go_module\n  url: up:module.git\n  module: github.com/lab/module\n"
    )
    return Kind(text, move)


def pypi(lab: Lab, index: Index) -> Kind:
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        suffix = f"aa/hookfetch-lab-1.{next(number)}.tar.gz"
        data = create_tarball(lab.upstreams, f"packages/{suffix}", {"lab/text": suffix}).read_bytes()
        name = suffix.rpartition("/")[2].replace("hookfetch-lab", "hookfetch_lab")
        listed = {"filename": name, "url": suffix, "hashes": {"sha256": _sha256(data)}, "yanked": False}
        index.packages["/simple/hookfetch-lab"] = {"files": [listed]}
        return [{"ref": {"sha256sum": _sha256(data), "suffix": suffix}}]

    return Kind("- kind: pypi\n  name: hookfetch-lab\n  url: up:packages/\n", move)


def cpan(lab: Lab, index: Index) -> Kind:
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        place = f"L/LA/LAB/Lab-1.{next(number)}.tar.gz"
        data = create_tarball(lab.upstreams, f"cpan/authors/id/{place}", {"Lab/text": place}).read_bytes()
        listing = lab.upstreams / "cpan/modules/02packages.details.txt.gz"
        listing.parent.mkdir(exist_ok=True)
        listing.write_bytes(gzip.compress(f"File: it\n\nLab::Lab  1.0  {place}\n".encode()))
        return [{"sha256sum": _sha256(data), "suffix": f"authors/id/{place}"}]

    return Kind("- kind: cpan\n  index: up:cpan/\n  name: Lab::Lab\n", move)


def docker(lab: Lab, index: Index) -> Kind:
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w:gz") as archive:
            archive.addfile(tarfile.TarInfo(f"etc/version-{next(number)}"))
        blob = layer.getvalue()
        layers = [{"mediaType": _LAYER, "digest": _digest(blob), "size": len(blob)}]
        manifest = json.dumps({"schemaVersion": 2, "mediaType": _MANIFEST, "layers": layers}).encode()
        place = "/v2/lab/image"
        index.images[f"{place}/blobs/{_digest(blob)}"] = blob
        for reference in "latest", _digest(manifest):
            index.images[f"{place}/manifests/{reference}"] = manifest
        return [_sha256(manifest)]

    text = f"- kind: docker\n  registry-url: {index.url}\n  image: lab/image\n  track: latest\n"
    return Kind(text, move)


KINDS: Sequence[Callable[[Lab, Index], Kind]] = (
    *(git_repo, described_git_repo, git, git_with_tags, git_tag, git_module, go_module),
    *(tar, zip_, remote, cargo2, gen_cargo_lock, pypi, cpan, docker),
)


def _archive(lab: Lab, text: str) -> Kind:
    number = iter(range(10))

    def move() -> Sequence[Ref]:
        path = create_tarball(lab.upstreams, "top-1.tar.gz", {"top/text": str(next(number))})
        return [_sha256(path.read_bytes())]

    return Kind(text, move)


def _commit(repository: Repository) -> str:
    there = repository.commit_of("refs/heads/main") or ""
    return repository.commit({"README": there}, "next")


def _digest(data: bytes) -> str:
    return f"sha256:{_sha256(data)}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

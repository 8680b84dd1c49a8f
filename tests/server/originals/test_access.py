"""What is kept for one project alone is served to whom that project lets, and to nobody else."""

import base64
from pathlib import Path

import aiohttp
from aiohttp import web

from hookfetch.demo.repositories import create_repository
from tests.server.originals.serving import client_git, serving

REPOSITORY = "https://git.example.org/private"
FILE = "https://example.org/private.tar"


def by_password(request: web.BaseRequest, project: str | None) -> bool:
    """Let a project's name in with itself as password."""
    if project is None:
        return True
    if "Authorization" not in request.headers:
        raise web.HTTPUnauthorized(headers={"WWW-Authenticate": 'Basic realm="originals"'})
    return request.headers["Authorization"] == authorization(project)["Authorization"]


def authorization(project: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'x:{project}'.encode()).decode()}"}


async def test_without_tokens_what_needed_an_account_is_nobodys(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "thing")
    repository.commit({"README": "x"}, "first")
    async with serving(tmp_path / "state") as served, aiohttp.ClientSession() as session:
        served.mirror(REPOSITORY, repository, project="p")
        served.file(FILE, b"secret", project="p")
        async with session.get(f"{served.url}/files/https/example.org/private.tar") as response:
            assert response.status == 404
        url = f"{served.url}/git/https/git.example.org/private"
        assert (await client_git("ls-remote", url, check=False)).returncode != 0


async def test_a_project_reads_its_own_and_not_anothers(tmp_path: Path) -> None:
    repository = create_repository(tmp_path, "thing")
    repository.commit({"README": "x"}, "first")
    async with serving(tmp_path / "state", by_password) as served, aiohttp.ClientSession() as session:
        served.mirror(REPOSITORY, repository, project="p")
        served.file(FILE, b"of p", project="p")
        served.file(FILE, b"of q", project="q")
        url = f"{served.url}/files/https/example.org/private.tar"
        for name, content in ("p", b"of p"), ("q", b"of q"):
            async with session.get(url, headers=authorization(name)) as response:
                assert await response.read() == content
        async with session.get(url, headers=authorization("r")) as response:
            assert response.status == 404
        async with session.get(url) as response:
            assert response.status == 401

        address = f"{served.url}/git/https/git.example.org/private"
        own, others = (address.replace("http://", f"http://x:{name}@") for name in "pq")
        assert (await client_git("ls-remote", own)).stdout
        assert (await client_git("ls-remote", others, check=False)).returncode != 0

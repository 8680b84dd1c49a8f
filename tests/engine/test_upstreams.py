"""The lab's upstreams answer as a forge and a download server do."""

import subprocess
from pathlib import Path

import pytest
import requests

from hookfetch.demo.repositories import ISOLATED
from hookfetch.demo.upstreams import UpstreamServer, create_repository, create_tarball


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin:/usr/local/bin", **ISOLATED},
    )
    return done.stdout


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_a_repository_is_cloned_and_updated_over_http(
    protocol: str, tmp_path: Path, upstreams: tuple[Path, UpstreamServer]
) -> None:
    root, server = upstreams
    repository = create_repository(root, f"clone{protocol}")
    first = repository.commit({"a/b": "1"}, "first")
    repository.tag("v1", message="one")
    url, copy = repository.url(server.url), str(tmp_path / "copy")
    git("-c", f"protocol.version={protocol}", "clone", "--quiet", url, copy)
    assert git("-C", copy, "rev-parse", "HEAD", "v1^{commit}").split() == [first, first]

    # Many haves: the client compresses a request of over a kilobyte.
    for number in range(30):
        repository.point(f"refs/heads/b{number}", repository.commit({"number": str(number)}, "more"))
    git("-C", copy, "-c", f"protocol.version={protocol}", "fetch", "--quiet")
    last = repository.commit({"number": "last"}, "more")
    git("-C", copy, "-c", f"protocol.version={protocol}", "fetch", "--quiet")
    assert git("-C", copy, "rev-parse", "origin/main").strip() == last


def test_refs_are_moved_and_deleted(upstreams: tuple[Path, UpstreamServer]) -> None:
    root, server = upstreams
    repository = create_repository(root, "moving", branch="trunk")
    first = repository.commit({"a": "1"}, "first")
    second = repository.commit({"a": "2"}, "second")
    repository.commit({"b": "3"}, "other", branch="other")
    repository.point("refs/heads/trunk", first)
    repository.delete("refs/heads/other")
    assert first != second
    assert git("ls-remote", repository.url(server.url)).split() == [first, "HEAD", first, "refs/heads/trunk"]


def test_a_file_has_validators_that_change_with_it(upstreams: tuple[Path, UpstreamServer]) -> None:
    root, server = upstreams
    create_tarball(root, "d/top-1.tar.gz", {"top/a": "1"})
    url = f"{server.url}/d/top-1.tar.gz"
    first = requests.get(url, timeout=10)
    known = {"If-None-Match": first.headers["ETag"]}
    assert first.headers["Last-Modified"]
    assert requests.get(url, headers=known, timeout=10).status_code == 304
    create_tarball(root, "d/top-1.tar.gz", {"top/a": "22"})
    assert requests.get(url, headers=known, timeout=10).status_code == 200


@pytest.mark.parametrize("path", ["%2e%2e/%2e%2e/etc/hostname", "..%2f..%2fetc/hostname", "none", ""])
def test_nothing_beside_the_root_is_served(path: str, upstreams: tuple[Path, UpstreamServer]) -> None:
    _, server = upstreams
    assert requests.get(f"{server.url}/{path}", timeout=10).status_code == 404


def test_a_body_over_the_limit_is_refused(upstreams: tuple[Path, UpstreamServer]) -> None:
    root, server = upstreams
    repository = create_repository(root, "big")
    url = f"{repository.url(server.url)}/git-upload-pack"
    assert requests.post(url, data=b"0" * (17 * 1024 * 1024), timeout=30).status_code == 413


def test_a_server_comes_back_on_its_port(tmp_path: Path) -> None:
    server = UpstreamServer(tmp_path)
    server.start()
    url = server.url
    server.stop()
    server.stop()
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)
    server.start()
    assert server.url == url
    assert requests.get(f"{url}/x", timeout=10).status_code == 404
    server.stop()

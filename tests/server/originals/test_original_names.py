"""A path names an upstream, and never a file of this machine."""

import pytest

from hookfetch.server.originals.names import File, Repository, mirror_address, parse

DIGEST = "a" * 64


@pytest.mark.parametrize(
    ("target", "asked"),
    [
        (
            "/originals/git/https/example.org/a/b.git/info/refs?service=git-upload-pack",
            Repository("https://example.org/a/b", "git-upload-pack"),
        ),
        ("/originals/git/http/[::1]:8080/b/git-upload-pack", Repository("http://[::1]:8080/b", None)),
        ("/originals/git/https/example.org/b/info/refs?service=x", Repository("https://example.org/b", "x")),
        ("/originals/git/https/example.org/b/info/refs", Repository("https://example.org/b", "")),
        ("/originals/files/https/example.org/a.tar", File("https://example.org/a.tar", None)),
        ("/originals/files/ftp/example.org/get?f=a%20b&x", File("ftp://example.org/get?f=a%20b&x", None)),
        (f"/originals/files/sha256/{DIGEST}/https/example.org/a", File("https://example.org/a", DIGEST)),
    ],
)
def test_a_path_says_what_is_asked_for(target: str, asked: object) -> None:
    assert parse(target) == asked


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "*",
        "/originals",
        "/originals/git/",
        "/originals/git//etc/passwd/info/refs",
        "/originals/git/file/etc/passwd/info/refs",
        "/originals/git/ext/sh%20-c/x/info/refs",
        "/originals/git/https/example.org/info/refs?service=git-upload-pack",
        "/originals/git/https/example.org/a/HEAD",
        "/originals/git/https/example.org/a/git-upload-pack?x",
        "/originals/git/../files/https/example.org/a",
        "/originals/%67it/https/example.org/a/info/refs",
        "/originals/files/",
        "/originals/files//etc/passwd",
        "/originals/files/../../etc/passwd",
        "/originals/files/file/localhost/etc/passwd",
        "/originals/files/https/example.org",
        f"/originals/files/sha256/{DIGEST}/",
        "/originals/files/sha256/../https/example.org/a",
        "/originals/files/https/example.org/a b",
        "/originals/files/https/example.org/\x00",
        "/originals/files/https/example.org/ä",
        f"/originals/files/https/example.org/{'a' * 4000}",
        "http://example.org/originals/files/https/example.org/a",
    ],
)
def test_what_is_no_original_is_none(target: str) -> None:
    assert parse(target) is None


def test_an_alias_is_replaced_so_that_what_follows_it_completes_the_path() -> None:
    base = "https://originals.example.net"
    for alias in "https://example.org/", "https://example.org/group/a", "http://127.0.0.1:1/it/":
        address = mirror_address(base, "git", alias)
        assert address is not None
        asked = parse(f"{address}thing.git/git-upload-pack".removeprefix(base))
        assert asked == Repository(f"{alias}thing", None)
    for alias in "git@example.org:", "file:///srv/", "/srv/git/", "https://", "data:x":
        assert mirror_address(base, "git", alias) is None

"""Which upstreams are for everybody, and which for who has an account there."""

from pathlib import Path

import pytest

from hookfetch.originals.privacy import Credentials

SOME = Credentials(frozenset({"known.example", "port.example:8443", "[::1]"}))


@pytest.mark.parametrize(
    "url",
    [
        "https://other.example/a.git",
        "http://other.example:8080/a.tar.gz",
        "git://other.example/a",
        "https://port.example/a",
        "https://sub.known.example/a",
    ],
)
def test_what_anybody_may_read_is_shared(url: str) -> None:
    assert not SOME.needed_for(url)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@other.example/a.git",
        "git@other.example:a.git",
        "other.example:a.git",
        "https://token@other.example/a.git",
        "https://user:password@other.example/a.git",
        "https://known.example/a",
        "https://KNOWN.example./a",
        "https://known.example:443/a",
        "https://known.example:444/a",
        "https://port.example:8443/a",
        "http://[::1]:80/a",
        "https://[broken/a",
        "file:///a",
        "a",
    ],
)
def test_what_needs_an_account_or_may_is_not(url: str) -> None:
    assert SOME.needed_for(url)


BOTH = {"https://known.example/a", "https://other.example/a"}
ONE = {"https://known.example/a"}


@pytest.mark.parametrize(
    ("netrc", "gitconfig", "needed"),
    [
        ("", "", ONE),
        ("machine other.example login a password b\n", "", BOTH),
        ("machine third.example login a password b\n", "", ONE),
        ("default login a password b\n", "", BOTH),
        ("machine\n", "", BOTH),
        ("", "[credential]\n\thelper = store\n", BOTH),
        ("", "[credential]\n\thelper =\n", ONE),
        ("", '[credential "https://other.example"]\n\thelper = store\n', BOTH),
        ("", '[credential "https://third.example"]\n\thelper = store\n', ONE),
        ("", '[http "https://*.example"]\n\textraHeader = X-Token: a\n', BOTH),
        ("", '[http "https://third.example/a.b"]\n\textraHeader = X-Token: a\n', ONE),
        ("", '[url "git@other.example:"]\n\tinsteadOf = https://other.example/\n', BOTH),
        ("", '[url "git@other.example:"]\n\tinsteadOf = "https:"\n', BOTH),
        ("", '[url "refused://"]\n\tinsteadOf = "file://"\n', ONE),
        ("", "[user]\n\tname = helper\n", ONE),
        ("", "[broken\n", BOTH),
    ],
)
def test_accounts_that_netrc_and_git_know_count(
    netrc: str, gitconfig: str, needed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.delenv("GIT_CONFIG_GLOBAL", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    (tmp_path / ".netrc").write_text(netrc)
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".gitconfig").write_text(gitconfig)

    credentials = Credentials.of_this_user(["known.example"])

    assert {url for url in BOTH if credentials.needed_for(url)} == needed

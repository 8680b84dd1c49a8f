"""Which addresses are another machine's."""

import pytest

from hookfetch.engine.addresses import is_remote


@pytest.mark.parametrize(
    "url",
    [
        *("https://a.example/x.git", "http://127.0.0.1:8080/x", "ssh://git@a.example/x", "git://a.example/x"),
        *("git@a.example:group/x.git", "ftp://a.example/x.tar", "HTTPS://A.EXAMPLE/x"),
    ],
)
def test_other_machines_are_remote(url: str) -> None:
    assert is_remote(url)


@pytest.mark.parametrize(
    "url",
    [
        *("file:///etc/hostname", "/etc/hostname", "../x.git", "--upload-pack=touch x", "", "https:///x"),
        *("ext::sh -c touch% x", "fd::17", "--upload-pack=touch:x", "http://[::1"),
    ],
)
def test_paths_options_and_programs_are_not(url: str) -> None:
    assert not is_remote(url)

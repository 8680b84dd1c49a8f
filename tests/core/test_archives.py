"""What was downloaded, and what is published of it."""

import pytest

from hookfetch.core.archives import mistaken
from hookfetch.core.checksums import places_of_sums, sum_in, sum_told

DIGEST = "ab" * 32


@pytest.mark.parametrize(
    ("kind", "file", "head", "said"),
    [
        ("tar", "a.tar.gz", b"\x1f\x8b\x08", None),
        ("tar", "a.tar.xz", b"\xfd7zXZ\x00", None),
        ("tar", "a.tar", b"a" * 257 + b"ustar", None),
        ("tar", "a.tar.gz", b"PK\x03\x04", "is no tar archive"),
        ("zip", "a.zip", b"PK\x03\x04", None),
        ("deb", "a.deb", b"!<arch>\ndebian-binary", None),
        ("deb", "a.deb", b"\x1f\x8b", "is no Debian package"),
        ("remote", "a.whl", b"PK\x03\x04", None),
        ("remote", "a.whl", b"\x1f\x8b", "is not of the kind that its name says"),
        ("remote", "a.flatpakrepo", b"[Flatpak Repo]", None),
        ("remote", "index.html", b"<!doctype html>", None),
        ("remote", "a.run", b"\xef\xbb\xbf \n<HTML lang=en>", "is a page of HTML"),
        ("remote", "a.run", b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "', "is a page of HTML"),
        ("remote", "a.run", b"", "is empty"),
    ],
)
def test_a_file_is_what_its_source_wants_or_there_is_a_reason(
    kind: str, file: str, head: bytes, said: str | None
) -> None:
    assert mistaken(kind, file, head) == said


@pytest.mark.parametrize(
    "text",
    [
        f"{'0' * 64}  b.tgz\n{DIGEST}  a.tgz\n",
        f"{DIGEST.upper()} *./dist/a.tgz\r\n",
        f"SHA256 (a.tgz) = {DIGEST}\nSHA512 (a.tgz) = {'0' * 128}\n",
        f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{DIGEST}  a.tgz\n-----BEGIN",
        f"{DIGEST}\n",
    ],
)
def test_sums_are_read_in_each_form(text: str) -> None:
    assert sum_in(text, "a.tgz") == DIGEST


@pytest.mark.parametrize("text", ["", f"{DIGEST}  b.tgz\n", "<html>404</html>", f"{DIGEST[:40]}  a.tgz"])
def test_without_a_sum_of_the_file_there_is_none(text: str) -> None:
    assert sum_in(text, "a.tgz") is None


def test_an_address_may_tell_the_sum_itself() -> None:
    assert sum_told(f"https://host/a.tgz#sha256={DIGEST.upper()}") == DIGEST
    assert sum_told("https://host/a.tgz#md5=1") is None


def test_sums_are_looked_for_beside_the_archive() -> None:
    assert places_of_sums("https://host/glib/glib-2.80.1.tar.xz") == (
        "https://host/glib/glib-2.80.1.tar.xz.sha256sum",
        "https://host/glib/glib-2.80.1.tar.xz.sha256",
        "https://host/glib/glib-2.80.1.sha256sum",
        "https://host/glib/SHA256SUMS",
        "https://host/glib/sha256sums.asc",
    )

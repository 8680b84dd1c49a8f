"""What qualifiers ask for, and how those that cannot be heeded are refused."""

import base64
import hashlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from google.rpc import error_details_pb2

from hookfetch.cas.protos import remote_asset_pb2 as pb
from hookfetch.server.grpc.assets import integrity, qualifiers
from hookfetch.server.grpc.assets.qualifiers import Wanted, of_blob, of_directory
from hookfetch.server.grpc.errors import Refused

CONTENT = b"content\n"


def said(*pairs: tuple[str, str]) -> list[Any]:
    return [pb.Qualifier(name=name, value=value) for name, value in pairs]


def sri(function: str, content: bytes = CONTENT) -> str:
    return f"{function}-{base64.b64encode(hashlib.new(function, content).digest()).decode()}"


def violations(make: Callable[[Any], Wanted], *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(Refused) as refused:
        make(said(*pairs))
    assert refused.value.code.name == "INVALID_ARGUMENT"
    (detail,) = refused.value.details
    assert isinstance(detail, error_details_pb2.BadRequest)
    return [(each.field, each.description) for each in detail.field_violations]


def test_nothing_said_leaves_all_open() -> None:
    assert of_blob([]) == of_directory([]) == Wanted(any=False)
    assert Wanted(any=False).is_git


def test_a_directory_is_of_a_commit_of_a_branch() -> None:
    commit = "a" * 40
    wanted = of_directory(
        said(("vcs.commit", commit), ("vcs.branch", "gnome-45/wip"), ("resource_type", "application/x-git"))
    )
    assert (wanted.any, wanted.is_git) == (True, True)
    assert (wanted.commit, wanted.branch) == (commit, "gnome-45/wip")
    assert not of_directory(said(("resource_type", "application/gzip"))).is_git


def test_every_qualifier_that_is_not_heeded_is_named() -> None:
    found = violations(of_directory, ("checksum.sri", "x"), ("vcs.branch", "main"), ("directory", "a"))
    assert found == [
        ("qualifiers.name", '"checksum.sri" not supported'),
        ("qualifiers.name", '"directory" not supported'),
    ]
    assert violations(of_blob, ("vcs.commit", "a" * 40)) == [
        ("qualifiers.name", '"vcs.commit" not supported')
    ]


@pytest.mark.parametrize(
    ("make", "name", "value"),
    [
        (of_directory, "vcs.branch", value)
        for value in (
            "--upload-pack=x",
            "../x",
            "a..b",
            "a b",
            "a\n",
            "a/",
            "/a",
            "x.lock",
            "a@{1}",
            "a:b",
            "*",
            ".a",
        )
    ]
    + [(of_directory, "vcs.commit", value) for value in ("v1.0", "a" * 39, "A" * 40, "HEAD")]
    + [(of_blob, "resource_type", value) for value in ("x", "a/b/c", "a /b")]
    + [
        (of_blob, "checksum.sri", value)
        for value in ("md5-AAAA", "sha256-AAAA", "sha256-", "x", "sha256-" + "A" * 2000)
    ]
    + [(of_blob, "resource_type", value) for value in ("", "x" * 2000)],
)
def test_values_that_can_be_none_are_refused(make: Callable[[Any], Wanted], name: str, value: str) -> None:
    ((field, text),) = violations(make, (name, value))
    assert (field, text.partition(" ")[0]) == ("qualifiers.value", name)


def test_names_are_unique_and_few() -> None:
    twice = ("vcs.branch", "main")
    assert violations(of_directory, twice, twice) == [("qualifiers.name", "must be unique")]
    assert violations(of_directory, *[twice] * (qualifiers.MOST + 1))[0][0] == "qualifiers"


def test_of_several_checksums_the_strongest_count_and_unknown_ones_do_not() -> None:
    known = of_blob(said(("checksum.sri", f"{sri('sha256', b'other')} {sri('sha512')} md5-x"))).integrity
    assert known is not None
    assert (known.function, known.sha256) == ("sha512", frozenset())
    assert known.fits(BytesIO(CONTENT))
    assert not known.fits(BytesIO(b"other"))
    either = integrity.parse(f"{sri('sha256')} {sri('sha256', b'other')}")
    assert either.sha256 == {hashlib.sha256(each).hexdigest() for each in (CONTENT, b"other")}
    assert integrity.sri_of(hashlib.sha256(CONTENT).hexdigest()) == sri("sha256")

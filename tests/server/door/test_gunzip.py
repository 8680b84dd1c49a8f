"""A gzip body, opened within its limit."""

import gzip
import zlib

import pytest

from hookfetch.server.door.answer import Refused
from hookfetch.server.door.gunzip import gunzip


@pytest.mark.parametrize("text", [b"", b"x", b"push" * 200_000], ids=["empty", "short", "long"])
def test_a_gzip_body_opens_to_what_was_packed(text: bytes) -> None:
    assert gunzip(gzip.compress(text), len(text)) == text


def test_members_behind_each_other_are_one_body() -> None:
    assert gunzip(gzip.compress(b"one ") + gzip.compress(b"") + gzip.compress(b"two"), 7) == b"one two"


def test_one_byte_over_the_limit_is_too_large_whichever_member_has_it() -> None:
    for body in (gzip.compress(b"x" * 11), gzip.compress(b"x" * 10) + gzip.compress(b"y")):
        with pytest.raises(Refused) as refused:
            gunzip(body, 10)
        assert refused.value.status == 413


WHOLE = gzip.compress(b"a delivery" * 50, mtime=0)  # the same bytes in every process that collects


@pytest.mark.parametrize(
    "body",
    [
        *(WHOLE[:length] for length in range(len(WHOLE))),
        WHOLE + b"\0",
        WHOLE + b"garbage",
        WHOLE + WHOLE[:12],
        WHOLE[:-8] + bytes(8),
        zlib.compress(b"another format"),
        gzip.compress(b"", mtime=0) * 65,
    ],
)
def test_what_is_no_whole_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as refused:
        gunzip(body, 1000)
    assert refused.value.status == 400

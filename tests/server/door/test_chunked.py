"""A chunked body: the same however it is cut, strict in its framing, and bounded in all but itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.server.door.answer import Refused
from hookfetch.server.door.chunked import Chunked

PIECES = st.sampled_from(
    [b"x", b"{}", b"\r\n", b"\r\n\r\n", b"0\r\n\r\n", b"\r", b"\n", b"5;a\r\n", b"\0\xff"]
)
BODIES = st.lists(PIECES).map(b"".join)
SIZES = st.lists(st.integers(1, 12))
CUTS = st.lists(st.integers(0, 120)).map(sorted)


def chunked(body: bytes, sizes: list[int], extension: bytes, trailer: bytes) -> bytes:
    encoded = b""
    for size in [*sizes, len(body)]:
        chunk, body = body[:size], body[size:]
        encoded += b"%X%b\r\n%b\r\n" % (len(chunk), extension, chunk) if chunk else b""
    return encoded + b"000%b\r\n%b\r\n" % (extension, trailer)


@given(
    BODIES,
    SIZES,
    st.sampled_from([b"", b";a", b";a=b;c", b';a="b c"']),
    st.sampled_from([b"", b"X: y\r\n", b"X: y\r\nConnection: upgrade\r\nUpgrade: z\r\n"]),
    st.sampled_from([b"", b"\r\n", b"POST / HTTP/1.1\r\n\r\n", b"0\r\n\r\n"]),
    CUTS,
)
def test_a_body_and_what_comes_behind_it_are_the_same_wherever_they_are_cut(
    body: bytes, sizes: list[int], extension: bytes, trailer: bytes, rest: bytes, cuts: list[int]
) -> None:
    sent = chunked(body, sizes, extension, trailer)
    decoder, decoded, place = Chunked(), b"", 0
    for cut in [*(cut for cut in cuts if cut < len(sent)), len(sent + rest)]:
        assert not decoder.ended
        decoded += decoder.feed((sent + rest)[place:cut])
        place = cut
    assert decoder.ended
    assert (decoded, decoder.rest) == (body, rest)


def status_of(sent: bytes) -> int:
    decoder = Chunked()
    with pytest.raises(Refused) as refused:
        decoder.feed(sent)
    assert refused.value.closes
    return refused.value.status


@pytest.mark.parametrize(
    "sent",
    [
        *(
            size + b"\r\nhello\r\n0\r\n\r\n"
            for size in (b"", b"0x5", b"+5", b"-5", b" 5", b"5 ", b"5_0", b"5;", b"5 ;a")
        ),
        *(
            b"5;a%b\r\nhello\r\n0\r\n\r\n" % between
            for between in (b"\n", b"\r", b"\0", b"\xe9", b" ", b'="')
        ),
        *(b"5" + end + b"hello\r\n0\r\n\r\n" for end in (b"\n", b"\r", b"\n\r\n")),
        *(b"5\r\nhello" + end + b"0\r\n\r\n" for end in (b"", b"\n", b"\rx", b"xx")),
        *(b"5\r\nhello\r\n0" + end for end in (b"\n\n", b"\r\n\n", b"\r\n\rx")),
        *(
            b"5\r\nhello\r\n0\r\n%b\r\n\r\n" % line
            for line in (b"X", b": y", b"X : y", b"X: \0", b"X: y\n", b"X: y\r\n z")
        ),
        *(
            b"5\r\nhello\r\n0\r\n%b\r\n\r\n" % line
            for line in (b"Content-Length: 5", b"Transfer-Encoding: chunked")
        ),
        b"1" + b"0" * 16 + b"\r\n",
    ],
)
def test_what_two_readers_could_read_differently_is_a_400(sent: bytes) -> None:
    assert status_of(sent) == 400


ENDLESS = {
    "zeros before a size": (b"", b"0"),
    "an extension": (b"5;", b"a"),
    "a trailer": (b"0\r\nX: ", b"y"),
    "trailers": (b"0\r\n", b"X: y\r\n"),
    "chunks of a byte": (b"", b"1\r\nx\r\n"),
    "chunks of 32 bytes": (b"", b"20\r\n" + b"x" * 32 + b"\r\n"),
    "empty lines": (b"ffffff\r\n", b"\r\n\r\n"),
}


@pytest.mark.parametrize("shape", ENDLESS)
def test_what_costs_more_than_it_brings_is_refused_before_it_costs_much(shape: str) -> None:
    first, again = ENDLESS[shape]
    assert status_of(first + again * (400_000 // len(again))) == 400


@pytest.mark.parametrize(("body", "size"), [(b"x" * 200_000, 64), ((b"x" * 60 + b"\r\n\r\n") * 3000, 4096)])
def test_a_large_body_may_come_in_small_chunks_or_have_many_empty_lines(body: bytes, size: int) -> None:
    decoder = Chunked()
    assert decoder.feed(chunked(body, [size] * (len(body) // size), b"", b"")) == body
    assert decoder.ended

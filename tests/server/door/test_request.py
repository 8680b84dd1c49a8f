"""A head from bytes to values: read as it was written, or refused where llhttp alone would not."""

import pytest
from httptools import HttpRequestParser
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.server.door import request
from hookfetch.server.door.answer import Refused
from hookfetch.server.door.request import Head, HeadLimits, parse_head

HOST = b"\r\nHost: x"
POST = b"POST / HTTP/1.1" + HOST


def read(data: bytes) -> Head:
    return parse_head(data, HeadLimits())


def status_of(data: bytes) -> int:
    with pytest.raises(Refused) as refused:
        read(data)
    assert refused.value.closes
    return refused.value.status


NAMES = st.text("!#$%&'*+.^_`|~0Az-", max_size=8).map(lambda name: f"X{name}")
# Text, tabs, and bytes that are no UTF-8, as forges may send them in a header.
VALUES = st.lists(st.sampled_from([b"a", b" ", b"\t", b":", b",", b"\xc3\xa9", b"\xff"])).map(b"".join)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8, unique_by=lambda line: line[0].lower()))
def test_headers_are_read_as_they_were_written(lines: list[tuple[str, bytes]]) -> None:
    head = read(POST + b"".join(b"\r\n%b: %b" % (name.encode(), value) for name, value in lines))
    written = {name.lower(): value.strip(b" \t") for name, value in lines}
    found = {name: text.encode("utf-8", "surrogateescape") for name, text in head.headers.items()}
    assert found == {"host": b"x"} | written


HONEST = (
    POST + b"\r\nContent-Length: 5\r\nVia: a\r\nVia: b",
    POST + b"\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue",
    POST + b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5",
    b"GET http://h/p?q HTTP/1.0\r\nX-A:",
)
DAMAGE = (
    *(bytes([byte]) for byte in b"\r\n \t:,;\0\x7f\x85\xff05"),
    *(b"\r\n", b"\r\n ", b"\r\nHost: y", b"\r\nContent-Length: 5"),
    *(b"\r\nTransfer-Encoding: chunked", b"chunked", b" HTTP/2.0"),
)


@given(
    st.sampled_from(HONEST),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 4), st.sampled_from(DAMAGE)), max_size=3),
)
def test_what_is_accepted_a_reader_of_whole_lines_reads_the_same(
    data: bytes, damages: list[tuple[int, int, bytes]]
) -> None:
    for place, gone, put in damages:
        data = data[:place] + put + data[place + gone :]
    try:
        head = read(data)
    except Refused:
        return
    first, *lines = data.split(b"\r\n")
    method, target, version = first.split(b" ")
    assert (head.method.encode(), version[:7]) == (method, b"HTTP/1.")
    assert head.path.encode() in target
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(b":")
        text = value.strip(b" \t").decode("utf-8", "surrogateescape")
        headers.setdefault(name.decode().lower(), []).append(text)
    assert head.headers.keys() == headers.keys()
    for name, texts in headers.items():
        assert head.headers[name] in {", ".join(texts), texts[0]}
    length = None if "transfer-encoding" in headers else int(headers.get("content-length", ["0"])[0])
    assert head.length == length
    assert "transfer-encoding" not in headers or "content-length" not in headers


@pytest.mark.parametrize(
    ("limits", "status"),
    [(HeadLimits(line=20), 414), (HeadLimits(size=38), 431), (HeadLimits(headers=1), 431)],
)
def test_a_whole_head_over_a_limit_is_too_large(limits: HeadLimits, status: int) -> None:
    data = b"POST /hooks/a HTTP/1.1" + HOST + b"\r\nX-A: b"
    with pytest.raises(Refused) as refused:
        parse_head(data, limits)
    assert refused.value.status == status
    assert parse_head(data, HeadLimits(size=len(data), line=22, headers=2)).path == "/hooks/a"


# What llhttp 9.4 takes, and which nobody who speaks HTTP/1.1 sends.
TAKEN_BY_LLHTTP = {
    "no version": (b"POST /" + HOST, 400),
    "no version and a bare line feed": (b"POST /\nHost: x", 400),
    "HTTP/0.9": (b"POST / HTTP/0.9" + HOST, 400),
    "HTTP/2.0": (b"POST / HTTP/2.0" + HOST, 505),
    "RTSP": (b"OPTIONS / RTSP/1.0" + HOST, 400),
    "ICE": (b"SOURCE / ICE/1.0" + HOST, 400),
    "an empty line before": (b"\r\n" + POST, 400),
    "a line feed before": (b"\n" + POST, 400),
    "blanks after the method": (b"POST  / HTTP/1.1" + HOST, 400),
    "blanks before the version": (b"POST /  HTTP/1.1" + HOST, 400),
    "two equal hosts": (POST + HOST, 400),
    "chunks in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked", 400),
    "a coding before chunked": (POST + b"\r\nTransfer-Encoding: gzip, chunked", 501),
    "codings in two lines": (POST + b"\r\nTransfer-Encoding: identity\r\nTransfer-Encoding: chunked", 400),
    "a list with an empty place": (POST + b"\r\nTransfer-Encoding: ,chunked", 501),
    "five thousand zeros": (POST + b"\r\nContent-Length: " + b"0" * 5000 + b"5", 400),
}


@pytest.mark.parametrize("shape", TAKEN_BY_LLHTTP)
def test_what_llhttp_alone_would_take_is_refused(shape: str) -> None:
    data, status = TAKEN_BY_LLHTTP[shape]
    HttpRequestParser(object()).feed_data(data + b"\r\n\r\n")
    assert status_of(data) == status


@pytest.mark.parametrize(
    "lines",
    [
        *(
            b"Content-Length: %b" % length
            for length in (b"5, 5", b"0x5", b"5 5", b"-5", b"5_0", b"", b"9" * 20)
        ),
        *(
            b"Transfer-Encoding: %b" % coding
            for coding in (b"identity", b"xchunked", b"chunked, gzip", b"\x0bchunked")
        ),
        *(b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"Transfer-Encoding:\r\n chunked"),
        *(b"Content-Length\t: 5", b": 5", b"Content-Length", b"X Y: 5", b"X\xe9: 5", b"X(: 5"),
        *(b"X: a%bb" % bytes([control]) for control in (0, 1, 10, 11, 12, 13, 27, 127)),
    ],
)
def test_a_line_of_no_header_or_a_body_of_no_certain_length_is_a_400(lines: bytes) -> None:
    assert status_of(POST + b"\r\n" + lines) == 400


class LenientParser(HttpRequestParser):
    """llhttp with all that it was more lenient in, once or by mistake."""

    def __init__(self, protocol: object) -> None:
        super().__init__(protocol)
        self.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_lf_after_cr=True, lenient_optional_cr_before_lf=True
        )


@pytest.mark.parametrize("lines", [b"X: a\n b: c", b"X: a\nY: b", b"X: a\r\n b", b"X: a\r\n b\nY: c"])
def test_a_parser_that_took_other_ends_of_lines_would_not_be_believed(
    monkeypatch: pytest.MonkeyPatch, lines: bytes
) -> None:
    data = POST + b"\r\n" + lines
    LenientParser(object()).feed_data(data + b"\r\n\r\n")
    monkeypatch.setattr(request, "HttpRequestParser", LenientParser)
    assert status_of(data) == 400


def test_an_offer_to_upgrade_is_passed_over() -> None:
    head = read(POST + b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5")
    assert (head.method, head.length, head.keeps_alive) == ("POST", 5, True)
    assert (
        read(POST + b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked").length is None
    )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/hooks/a?b=c", "/hooks/a"),
        (b"http://h:80/hooks/a?b", "/hooks/a"),
        (b"HTTPS://h", ""),
        (b"//h/a", "//h/a"),
        (b"/%2e%2e/a", "/%2e%2e/a"),
        (b"*", "*"),
    ],
)
def test_a_path_is_what_stands_between_the_host_and_the_query(target: bytes, path: str) -> None:
    assert read(b"POST %b HTTP/1.1" % target + HOST).path == path

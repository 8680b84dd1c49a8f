"""A delivery survives its encoding, and no cut or flipped bit passes for a delivery."""

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.delivery import Delivery
from hookfetch.core.errors import Permanent
from hookfetch.spool.record import (
    HEADER_BYTES,
    compress,
    decode_deliveries,
    decode_delivery,
    encode_delivery,
    frame,
    is_torn,
    is_whole,
    next_whole_frame,
    pack,
    read_header,
)

TEXT = st.text(st.characters(codec=None), max_size=40)  # lone surrogates too: HTTP headers are bytes
DELIVERIES = st.builds(
    Delivery,
    id=TEXT,
    hook=TEXT,
    headers=st.dictionaries(TEXT.map(lambda name: f"x-{name}".lower()), TEXT, max_size=4),
    body=st.binary(max_size=300),
    received_at=st.floats(allow_nan=False, allow_infinity=False),
)


def delivery(**changes: object) -> Delivery:
    values: dict[str, object] = {"id": "h/1", "hook": "h", "headers": {}, "body": b"{}", "received_at": 1.5}
    return Delivery(**{**values, **changes})  # type: ignore[arg-type]  # each test changes one field by name


@given(DELIVERIES)
def test_a_delivery_comes_back_as_it_was(given_delivery: Delivery) -> None:
    assert decode_delivery(encode_delivery(given_delivery)) == given_delivery


@pytest.mark.parametrize(
    "name", ["x-gitlab-token", "authorization", "cookie", "x-gitee-token", "proxy-authorization"]
)
def test_a_header_that_is_a_secret_is_not_stored(name: str) -> None:
    stored = decode_delivery(encode_delivery(delivery(headers={name: "s3cret", "x-github-event": "push"})))
    assert stored.headers == {"x-github-event": "push"}


@pytest.mark.parametrize("data", [b"", b"no zstd", encode_delivery(delivery())[:-3]])
def test_other_bytes_are_no_delivery(data: bytes) -> None:
    with pytest.raises(Permanent, match="not a spooled delivery"):
        decode_delivery(data)


def test_data_of_another_form_is_no_delivery() -> None:
    good = zstandard.ZstdDecompressor().decompress(encode_delivery(delivery()))
    forms = [b"", b"\x02" + good[1:], good + b"\0", good[:-1], good * 2, good + good[1:], good[:1]]
    forms.append(b"\x01" + bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b"[]")
    forms.append(b"\x01" + bytes([0, 0, 0, 2, 0, 0, 0, 0]) + b"{x")
    for plain in forms:
        with pytest.raises(Permanent, match="not a spooled delivery"):
            decode_delivery(zstandard.ZstdCompressor().compress(plain))


@given(st.lists(DELIVERIES, max_size=5))
def test_deliveries_that_share_a_frame_come_back_in_order(given_deliveries: list[Delivery]) -> None:
    assert decode_deliveries(compress(map(pack, given_deliveries))) == given_deliveries


def whole(data: bytes) -> bool:
    header = read_header(data)
    return header is not None and is_whole(header, data[HEADER_BYTES : HEADER_BYTES + header.length])


@given(st.binary(max_size=100))
def test_a_frame_cut_anywhere_is_torn_and_not_whole(payload: bytes) -> None:
    data = frame(payload)
    assert whole(data)
    for size in range(len(data)):
        assert not whole(data[:size])
        assert is_torn(data[:size])


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_flipped_bit_anywhere_is_seen(payload: bytes, data: st.DataObject) -> None:
    framed = bytearray(frame(payload))
    place = data.draw(st.integers(0, len(framed) * 8 - 1))
    framed[place // 8] ^= 1 << place % 8
    assert not whole(bytes(framed))


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_the_next_whole_frame_is_found_behind_any_garbage(garbage: bytes, payload: bytes) -> None:
    data = b"!" + garbage + frame(payload)
    place = next_whole_frame(data, 0)
    assert whole(data[place:])
    assert place <= len(garbage) + 1


def test_zeros_are_torn_and_text_is_not() -> None:
    assert is_torn(bytes(50))
    assert not is_torn(b"some text where a record should be")

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.core.errors import Temporary
from hookfetch.upstreams.pktline import MAX_PACKET, Mark, Packet, PacketReader, mark, packet

_packets = st.lists(st.binary(max_size=40) | st.sampled_from(Mark), max_size=10)


def wire(packets: list[Packet]) -> bytes:
    return b"".join(mark(item) if isinstance(item, Mark) else packet(item) for item in packets)


@settings(deadline=None)  # a busy machine is no failure
@given(_packets, st.integers(1, 20))
def test_packets_are_read_whatever_the_pieces_they_come_in(packets: list[Packet], size: int) -> None:
    data = wire(packets)
    reader = PacketReader()
    read = [item for start in range(0, len(data), size) for item in reader.feed(data[start : start + size])]
    reader.finish()
    assert read == packets


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary(max_size=200))
def test_any_bytes_are_packets_or_refused(data: bytes) -> None:
    reader = PacketReader()
    with contextlib.suppress(Temporary):
        assert all(isinstance(item, (bytes, Mark)) for item in reader.feed(data))
        reader.finish()


@pytest.mark.parametrize("data", [b"0003", b"fff1", b"ffff", b"<!do", b"-001", b"+004", b" 004", b"0x04"])
def test_what_is_no_length_is_refused(data: bytes) -> None:
    with pytest.raises(Temporary):
        list(PacketReader().feed(data + b"x" * 100))


def test_bytes_that_end_inside_a_packet_are_refused() -> None:
    reader = PacketReader()
    assert list(reader.feed(b"0008ab")) == []
    with pytest.raises(Temporary, match="ends inside a packet"):
        reader.finish()


def test_a_packet_has_a_largest_size() -> None:
    longest = packet(b"x" * (MAX_PACKET - 4))
    assert list(PacketReader().feed(longest)) == [b"x" * (MAX_PACKET - 4)]
    with pytest.raises(ValueError, match="do not fit"):
        packet(b"x" * (MAX_PACKET - 3))

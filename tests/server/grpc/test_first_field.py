"""What is read and cut from a request's bytes is what protobuf reads and writes."""

import pytest

from hookfetch.cas.protos import bytestream_pb2, remote_execution_pb2
from hookfetch.server.grpc.assets.first_field import first_text, without_instance


@pytest.mark.parametrize("instance", ["p", "gnome@main", "x" * 127, "x" * 128, "ü" * 500])
def test_an_instance_name_is_read_and_cut_and_the_rest_stays_as_it_is(instance: str) -> None:
    request = remote_execution_pb2.FindMissingBlobsRequest(instance_name=instance)
    request.blob_digests.add(hash="ab", size_bytes=7)
    message = request.SerializeToString()
    assert first_text(message) == instance
    request.instance_name = ""
    assert without_instance(message, instance) == request.SerializeToString()


@pytest.mark.parametrize("instance", ["p", "x" * 100])
def test_a_resource_name_loses_the_instance_before_it(instance: str) -> None:
    message = bytestream_pb2.ReadRequest(
        resource_name=f"{instance}/blobs/ab/7", read_offset=3
    ).SerializeToString()
    assert first_text(message) == f"{instance}/blobs/ab/7"
    left = bytestream_pb2.ReadRequest(resource_name="blobs/ab/7", read_offset=3)
    assert without_instance(message, instance) == left.SerializeToString()


@pytest.mark.parametrize(
    "message", [b"", b"\x0a", b"\x0a\x05ab", b"\x0a\xff\xff\xff\xff\x0f", b"\x12\x01a", b"\x0a\x80"]
)
def test_what_does_not_begin_with_a_text_has_none(message: bytes) -> None:
    assert first_text(message) == ""

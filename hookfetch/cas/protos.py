"""The wire messages of the source cache: BuildStream's generated copies, imported here and nowhere else.

A second generated copy of the same files would clash in protobuf's descriptor pool. Adds
nothing of its own.
"""

from buildstream._protos.build.bazel.remote.asset.v1 import remote_asset_pb2, remote_asset_pb2_grpc
from buildstream._protos.build.bazel.remote.execution.v2 import (
    remote_execution_pb2,
    remote_execution_pb2_grpc,
)
from buildstream._protos.buildstream.v2 import source_pb2
from buildstream._protos.google.bytestream import bytestream_pb2, bytestream_pb2_grpc

__all__ = [
    "bytestream_pb2",
    "bytestream_pb2_grpc",
    "remote_asset_pb2",
    "remote_asset_pb2_grpc",
    "remote_execution_pb2",
    "remote_execution_pb2_grpc",
    "source_pb2",
]

"""A gateway that knows callers by tokens or certificates, and clients that show them."""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import Message as Detail
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from hookfetch.bus.memory.bus import MemoryBus
from hookfetch.client import Client, Credentials
from hookfetch.core.access import EVERYTHING, Caller, Scope, grant
from hookfetch.server.access.access import Access, Known
from hookfetch.server.grpc.admission.limits import Limits
from hookfetch.server.grpc.server import GrpcServer
from tests.server.grpc.gateway_lab import PROJECTS, announce, entry

TOKENS = {name: f"{name}-9f3c1d7e5b2a8046c3d9" for name in ("gnome", "sdk", "operator", "lost")}


def known(name: str, scopes: Iterable[Scope] = (), projects: Sequence[str] = ("*",)) -> Known:
    """Return a caller with these grants; without scopes, with every one."""
    return Known(caller=Caller(name, (grant(scopes or EVERYTHING.scopes, projects),)))


def access_for(*callers: Known, anonymous: Caller | None = None) -> Access:
    """Return an access that knows each of `callers` by the token of its name."""
    access = Access(callers, anonymous)
    for each in callers:
        access.renew(each.caller.name, [TOKENS[each.caller.name]])
    return access


@dataclass
class Guarded:
    bus: MemoryBus
    server: GrpcServer
    access: Access
    folder: Path
    ca: Path | None = None

    @property
    def target(self) -> str:
        return f"localhost:{self.server.port}"

    def shown(self, name: str | None, pair: tuple[Path, Path] | None = None) -> Credentials:
        """Return credentials with the token of `name` and the certificate of `pair`."""
        token = self.folder / f"{name}.token"
        if name is not None:
            token.write_text(f"{TOKENS[name]}\n")
        cert, key = pair or (None, None)
        return Credentials(
            token_file=token if name is not None else None, ca_file=self.ca, cert_file=cert, key_file=key
        )

    def client(self, name: str | None, pair: tuple[Path, Path] | None = None) -> Client:
        return Client(self.target, self.shown(name, pair))


@asynccontextmanager
async def guarded(
    folder: Path,
    access: Access,
    *,
    credentials: grpc.ServerCredentials | None = None,
    ca: Path | None = None,
    limits: Limits | None = None,
) -> AsyncIterator[Guarded]:
    """Yield a started gateway with an update in each of two projects."""
    bus = MemoryBus(folder / "dead")
    await bus.start()
    await announce(bus, entry(1, project="gnome"), entry(1, "sdk/gcc.bst", project="sdk"))
    server = GrpcServer(
        bus,
        PROJECTS,
        "localhost:0",
        progress_seconds=0.2,
        access=access,
        credentials=credentials,
        limits=limits,
    )
    await server.start()
    try:
        yield Guarded(bus, server, access, folder, ca)
    finally:
        await server.stop(0)
        await bus.close()


def details_of(error: grpc.aio.AioRpcError) -> dict[str, Detail]:
    """Return the rich details of an error, by the name of their type."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs know the synchronous API alone
    assert status is not None
    found: dict[str, Detail] = {}
    kinds: tuple[Any, ...] = (
        error_details_pb2.ErrorInfo,
        error_details_pb2.ResourceInfo,
        error_details_pb2.RetryInfo,
        error_details_pb2.QuotaFailure,
    )
    for packed in status.details:
        for kind in kinds:
            message = kind()
            if packed.Unpack(message):
                found[kind.DESCRIPTOR.name] = message
    return found

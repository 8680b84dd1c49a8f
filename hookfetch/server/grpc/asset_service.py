"""The parts of the gateway that an unmodified BuildStream speaks to, joined to its server."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc

from hookfetch.cas.protos import remote_asset_pb2, remote_asset_pb2_grpc
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.server.grpc.asset_lookups import CacheLookups
from hookfetch.server.grpc.asset_recipes import Recipes
from hookfetch.server.grpc.assets import FetchServicer, PushServicer
from hookfetch.server.grpc.pass_through import SERVICES, PassThrough
from hookfetch.server.grpc.questions import Questions
from hookfetch.server.grpc.readers import Readers
from hookfetch.server.grpc.requests import Requests

_ASSETS = tuple(remote_asset_pb2.DESCRIPTOR.services_by_name[name].full_name for name in ("Fetch", "Push"))


class AssetService:
    """Serves the source caches of projects (`caches`, by project; none of them empty) to `readers`.

    What was found to be whole counts as such for `lease` seconds. Where all projects have one storage,
    hookfetch is an address for that, too.
    """

    def __init__(
        self, caches: Mapping[str, Sequence[SourceCacheConfig]], lease: float, readers: Readers
    ) -> None:
        kinds = {tuple(servers): CacheLookups(servers, lease) for servers in map(tuple, caches.values())}
        self._lookups = kinds
        self._caches = {project: kinds[tuple(servers)] for project, servers in caches.items()}
        self._readers = readers
        storages = {
            next(each for each in servers if each.push and each.is_storage) for servers in caches.values()
        }
        self._through = PassThrough(storages.pop(), readers) if len(storages) == 1 else None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the full names of the services that are served."""
        return _ASSETS if self._through is None else (*_ASSETS, *SERVICES)

    def join(self, server: grpc.aio.Server, questions: Questions, requests: Requests) -> None:
        """Have `server` serve them; what is missing is asked of coordinators."""
        recipes = Recipes(questions, requests)
        remote_asset_pb2_grpc.add_FetchServicer_to_server(
            FetchServicer(self._caches, recipes, self._readers), server
        )
        remote_asset_pb2_grpc.add_PushServicer_to_server(PushServicer(), server)
        if self._through is not None:
            server.add_generic_rpc_handlers((self._through,))

    async def close(self) -> None:
        """Close every connection to the caches."""
        if self._through is not None:
            await self._through.close()
        await asyncio.gather(*(lookups.close() for lookups in self._lookups.values()))

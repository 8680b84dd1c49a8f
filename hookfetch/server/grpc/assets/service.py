"""The parts of the gateway that an unmodified BuildStream speaks to, joined to its server."""

import asyncio
from collections.abc import Mapping, Sequence

import grpc

from hookfetch.cas.protos import remote_asset_pb2, remote_asset_pb2_grpc
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.originals.folder import Folder
from hookfetch.server.grpc.assets.cached import Cached
from hookfetch.server.grpc.assets.fetching import FetchServicer
from hookfetch.server.grpc.assets.looks import Looks
from hookfetch.server.grpc.assets.lookups import CacheLookups
from hookfetch.server.grpc.assets.originals import Originals
from hookfetch.server.grpc.assets.pass_through import SERVICES, PassThrough
from hookfetch.server.grpc.assets.pushing import PushServicer
from hookfetch.server.grpc.assets.recipes import Recipes
from hookfetch.server.grpc.assets.uploads import Uploads
from hookfetch.server.grpc.questions import Questions
from hookfetch.server.grpc.readers import Readers
from hookfetch.server.grpc.requests import Requests

_ASSETS = tuple(remote_asset_pb2.DESCRIPTOR.services_by_name[name].full_name for name in ("Fetch", "Push"))


class AssetService:
    """Serves the source caches of projects (`caches`, by project; none of them empty) to `readers`, and what
    is in the folder of `originals`.

    What was found to be whole counts as such for `lease` seconds. Where all projects have one storage,
    hookfetch is an address for that, too.
    """

    def __init__(
        self,
        caches: Mapping[str, Sequence[SourceCacheConfig]],
        lease: float,
        readers: Readers,
        originals: Folder,
    ) -> None:
        kinds = {tuple(servers) for servers in caches.values()}
        lookups = {servers: CacheLookups(servers, lease) for servers in kinds}
        uploads = {servers: Uploads(servers, lease) for servers in kinds}
        self._closing: list[CacheLookups | Uploads | PushServicer | PassThrough] = [
            *lookups.values(),
            *uploads.values(),
        ]
        self._lookups = {project: lookups[tuple(servers)] for project, servers in caches.items()}
        self._uploads = {project: uploads[tuple(servers)] for project, servers in caches.items()}
        self._readers = readers
        self._folder = originals
        self._originals: Originals | None = None
        self._push = PushServicer(caches, readers)
        self._closing.append(self._push)
        storages = {
            next(each for each in servers if each.push and each.is_storage) for servers in caches.values()
        }
        self._through = PassThrough(storages.pop(), readers) if len(storages) == 1 else None
        if self._through is not None:
            self._closing.append(self._through)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the full names of the services that are served."""
        return _ASSETS if self._through is None else (*_ASSETS, *SERVICES)

    def join(self, server: grpc.aio.Server, questions: Questions, requests: Requests) -> None:
        """Have `server` serve them; what is missing is asked of coordinators."""
        cached = Cached(self._lookups, Recipes(questions, requests))
        self._originals = Originals(self._folder, self._uploads, Looks(questions, requests))
        remote_asset_pb2_grpc.add_FetchServicer_to_server(
            FetchServicer(cached, self._originals, self._readers), server
        )
        remote_asset_pb2_grpc.add_PushServicer_to_server(self._push, server)
        if self._through is not None:
            server.add_generic_rpc_handlers((self._through,))

    async def close(self) -> None:
        """Close every connection to the caches."""
        if self._originals is not None:
            self._originals.close()
        await asyncio.gather(*(each.close() for each in self._closing))

"""The Remote Asset service over the configured source caches."""

from typing import TYPE_CHECKING

from hookfetch.config import Config
from hookfetch.originals.folder import Folder
from hookfetch.server.grpc.caller_readers import OfCaller
from hookfetch.server.grpc.readers import AnyReader

if TYPE_CHECKING:
    from hookfetch.server.grpc.assets.service import AssetService


def assets_of(config: Config) -> "AssetService | None":
    """Return what serves the projects that have a source cache, None where none has one."""
    caches = {project.name: project.source_cache for project in config.projects() if project.source_cache}
    if not caches:
        return None
    # BuildStream's messages come with it: a process that serves none does without.
    from hookfetch.server.grpc.assets.service import AssetService

    originals = Folder.of(config.state_dir)
    return AssetService(caches, config.engine.cache_lease, OfCaller(AnyReader(caches)), originals)

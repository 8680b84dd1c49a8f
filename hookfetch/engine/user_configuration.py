"""The BuildStream user configuration of one worker. Writes only below the worker's directory."""

import json
from collections.abc import Sequence
from pathlib import Path

from hookfetch.config.caches import SourceCacheConfig

_PATIENCE = {"retry-limit": 1, "retry-delay": 200, "request-timeout": 120}  # times, ms, s
_RELOAD = 1  # minutes until a token's file is read again


# BuildStream protects what its process has stored: its storage daemon expires only what was there before,
# and refuses what is beyond the quota. At its start a daemon that finds more than 82.5 percent of the quota
# (65 percent of the way from the low watermark) goes down to the low watermark.
_LOW, FULL = "50%", 0.85


def write_user_configuration(
    directory: Path, source_caches: Sequence[SourceCacheConfig], cache_bytes: int
) -> Path:
    """Write the configuration of a worker that keeps everything below `directory`, of staged sources at
    most `cache_bytes`; return its path.

    The project's own caches are overridden: results go to `source_caches`, or nowhere.
    """
    servers = [_server(cache) for cache in source_caches]
    configuration = {
        "sourcedir": str(directory / "sources"),
        "cachedir": str(directory / "cache"),
        "cache": {"quota": str(cache_bytes), "low-watermark": _LOW},
        "logdir": str(directory / "logs"),
        "scheduler": {"network-retries": 1, "on-error": "continue"},
        "source-caches": {"override-project-caches": True, "servers": servers},
        "artifacts": {"override-project-caches": True, "servers": []},
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "buildstream.conf"
    path.touch(mode=0o600)
    path.chmod(0o600)  # of an earlier hookfetch, too
    path.write_text(json.dumps(configuration, indent=2), encoding="utf-8")  # JSON is YAML
    return path


def _server(cache: SourceCacheConfig) -> dict[str, object]:
    """Return a cache as BuildStream wants it: with the places of its secrets, not the secrets."""
    files = {
        "server-cert": cache.ca_file,
        "client-cert": cache.cert_file,
        "client-key": cache.key_file,
        "access-token": cache.access_token_file,
    }
    auth: dict[str, object] = {key: str(file) for key, file in files.items() if file}
    if cache.access_token_file:
        auth["access-token-reload-interval"] = _RELOAD
    return {
        "url": cache.url,
        "type": cache.type,
        "push": cache.push,
        "connection-config": _PATIENCE,
        **({"auth": auth} if auth else {}),
    }

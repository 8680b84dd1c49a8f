"""The BuildStream user configuration of one worker. Writes only below the worker's directory."""

import json
from pathlib import Path

_PATIENCE = {"retry-limit": 1, "retry-delay": 200, "request-timeout": 120}  # times, ms, s


def write_user_configuration(directory: Path, source_cache: str | None) -> Path:
    """Write the configuration of a worker that keeps everything below `directory`; return its path.

    The project's own caches are overridden: results go to `source_cache`, or nowhere.
    """
    servers = []
    if source_cache is not None:
        servers = [{"url": source_cache, "type": "all", "push": True, "connection-config": _PATIENCE}]
    configuration = {
        "sourcedir": str(directory / "sources"),
        "cachedir": str(directory / "cache"),
        "logdir": str(directory / "logs"),
        "scheduler": {"network-retries": 1, "on-error": "continue"},
        "source-caches": {"override-project-caches": True, "servers": servers},
        "artifacts": {"override-project-caches": True, "servers": []},
    }
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "buildstream.conf"
    path.write_text(json.dumps(configuration, indent=2), encoding="utf-8")  # JSON is YAML
    return path

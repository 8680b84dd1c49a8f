"""SourceService.Stage: what a Fetch found, as the directory in which BuildStream stages an element's sources.

BuildStream caches an element's sources merged into one directory and stages that, so what is fetched is
staged already and no work of its own is done here.
"""

from hookfetch.core.jobs import Progress, Reply
from hookfetch.server.grpc.errors import failed, unavailable
from hookfetch.server.grpc.work import digest_message, fetched_message, progress_message
from hookfetch.v1 import sources_pb2

FAILED = "STAGE_FAILED"
_AGAIN = 1.0  # seconds until it is worth asking again


def stage_response(told: Progress | Reply) -> sources_pb2.StageResponse:
    """Return how the work stands, or what it came to; Refused where there is no cache to stage in, or what
    was cached is gone again."""
    if isinstance(told, Progress):
        return sources_pb2.StageResponse(progress=progress_message(told))
    if not told.cached:
        raise failed(FAILED, "the project has no source cache, and so nowhere to stage its sources")
    if told.element_directory is None:
        raise unavailable("the source cache lost what it was just asked for", _AGAIN)
    staged = sources_pb2.Staged(
        directory=digest_message(told.element_directory), fetched=fetched_message(told)
    )
    return sources_pb2.StageResponse(staged=staged)

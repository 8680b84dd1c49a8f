"""What becomes of work on request, as messages of the contract. Pure: nothing is decided here."""

from hookfetch.core.digests import Digest
from hookfetch.core.jobs import JobState, Progress, Reply
from hookfetch.server.grpc.messages import source_messages
from hookfetch.v1 import jobs_pb2, sources_pb2

_STATES: dict[JobState, jobs_pb2.JobProgress.State.ValueType] = {
    "waiting": jobs_pb2.JobProgress.STATE_WAITING,
    "running": jobs_pb2.JobProgress.STATE_RUNNING,
    "tracked": jobs_pb2.JobProgress.STATE_TRACKED,
    "failing": jobs_pb2.JobProgress.STATE_FAILING,
    "held": jobs_pb2.JobProgress.STATE_HELD,
    "done": jobs_pb2.JobProgress.STATE_DONE,
    "ended": jobs_pb2.JobProgress.STATE_ENDED,
}


def progress_message(progress: Progress) -> jobs_pb2.JobProgress:
    """Return how a job stands."""
    return jobs_pb2.JobProgress(
        job=progress.job_id,
        state=_STATES[progress.state],
        attempt=progress.attempt,
        reason=progress.reason,
        due_at=progress.due_at,
    )


def digest_message(digest: Digest | None) -> sources_pb2.Digest | None:
    """Return a blob's name, None where there is none."""
    return None if digest is None else sources_pb2.Digest(hash=digest.hash, size_bytes=digest.size)


def fetched_message(reply: Reply) -> sources_pb2.Fetched:
    """Return what the source cache holds of an element that was fetched."""
    # BuildStream names a source by its key also where nothing is cached under it.
    keys = reply.source_keys if reply.cached else ()
    return sources_pb2.Fetched(
        cached=reply.cached,
        element_key=reply.element_key if reply.cached else None,
        element_directory=digest_message(reply.element_directory),
        sources=[
            sources_pb2.FetchedSource(
                source=source,
                key=keys[place] if place < len(keys) else None,
                directory=digest_message(
                    reply.source_directories[place] if place < len(reply.source_directories) else None
                ),
            )
            for place, source in enumerate(source_messages(reply.refs))
        ],
    )

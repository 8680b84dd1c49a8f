"""What each method asks of its caller: one table, method -> rule. What is not in it is refused.

A service that is added has its methods added here; a test finds those that are not.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookfetch.core.access import Scope

Projects = Callable[[Any], Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a method asks for.

    `scope` is needed with every project that `projects` finds in the request. Where it finds none the call is
    about all that its caller may do this with, which must be one at least, or with `every` all there are.
    Without a scope a caller who is let in at all may; with `public` anyone. `work`: it changes something or
    asks for work, so it is audited and bounded.
    """

    scope: Scope | None = None
    projects: Projects | None = None
    every: bool = False
    public: bool = False
    work: bool = False


def _one(request: Any) -> Sequence[str]:
    return (request.project,)


def _named(request: Any) -> Sequence[str]:
    return tuple(request.projects)


def _filtered(request: Any) -> Sequence[str]:
    return tuple(request.filter.projects)


_READS_ALL = Rule(scope="read")
_READS_ONE = Rule(scope="read", projects=_one)
# It takes a place of those who wait for coordinators, of which a gateway has so many for all callers.
_WAITS_ONE = Rule(scope="read", projects=_one, work=True)
_READS_FILTERED = Rule(scope="read", projects=_filtered)
_READS_NAMED = Rule(scope="read", projects=_named)
_FETCHES_ONE = Rule(scope="fetch", projects=_one, work=True)
_OPERATES_ONE = Rule(scope="admin", projects=_one, work=True)
_OPERATES_NAMED = Rule(scope="admin", projects=_named, work=True)
# Which projects an instance name means is found by who serves it (`readers`): it is no name of a project.
_READS_CACHE = Rule(scope="fetch")
_PUSHES = Rule(scope="push", work=True)
# Load balancers and orchestrators have no token.
_HEALTH = Rule(public=True)
_DESCRIBES = Rule()

_REPEX = "build.bazel.remote.execution.v2"
_ASSET = "build.bazel.remote.asset.v1"

RULES: Mapping[str, Rule] = {
    "/hookfetch.v1.RefService/Watch": _READS_FILTERED,
    "/hookfetch.v1.RefService/List": _READS_FILTERED,
    "/hookfetch.v1.RefService/Get": _READS_ONE,
    "/hookfetch.v1.SourceService/Track": Rule(scope="track", projects=_one, work=True),
    "/hookfetch.v1.SourceService/Fetch": _FETCHES_ONE,
    "/hookfetch.v1.SourceService/Stage": _FETCHES_ONE,
    "/hookfetch.v1.SourceService/Locate": _READS_ONE,
    "/hookfetch.v1.ProjectService/List": _READS_ALL,
    "/hookfetch.v1.ProjectService/Describe": _READS_ONE,
    "/hookfetch.v1.ProjectService/Affected": _READS_ONE,
    "/hookfetch.v1.ProjectService/Reload": _OPERATES_ONE,
    "/hookfetch.v1.JobService/Watch": _WAITS_ONE,
    "/hookfetch.v1.JobService/Cancel": _OPERATES_ONE,
    "/hookfetch.v1.FeedService/List": _READS_NAMED,
    "/hookfetch.v1.FeedService/Check": Rule(scope="track", projects=_one, work=True),
    "/hookfetch.v1.OperationsService/ListDeliveries": _READS_ALL,
    "/hookfetch.v1.OperationsService/GetDelivery": _READS_ALL,
    # A delivery that is sent again goes to whichever project follows its repository.
    "/hookfetch.v1.OperationsService/ReplayDelivery": Rule(scope="admin", every=True, work=True),
    "/hookfetch.v1.OperationsService/Explain": _READS_ONE,
    "/hookfetch.v1.OperationsService/ListElements": _READS_NAMED,
    "/hookfetch.v1.OperationsService/RetryElements": _OPERATES_ONE,
    "/hookfetch.v1.OperationsService/ReleaseElements": _OPERATES_ONE,
    "/hookfetch.v1.OperationsService/CancelElements": _OPERATES_ONE,
    "/hookfetch.v1.OperationsService/Pause": _OPERATES_NAMED,
    "/hookfetch.v1.OperationsService/Resume": _OPERATES_NAMED,
    "/hookfetch.v1.OperationsService/State": _READS_ALL,
    f"/{_ASSET}.Fetch/FetchBlob": _READS_CACHE,
    f"/{_ASSET}.Fetch/FetchDirectory": _READS_CACHE,
    f"/{_ASSET}.Push/PushBlob": _PUSHES,
    f"/{_ASSET}.Push/PushDirectory": _PUSHES,
    f"/{_REPEX}.Capabilities/GetCapabilities": _READS_CACHE,
    f"/{_REPEX}.ContentAddressableStorage/FindMissingBlobs": _READS_CACHE,
    f"/{_REPEX}.ContentAddressableStorage/BatchReadBlobs": _READS_CACHE,
    f"/{_REPEX}.ContentAddressableStorage/GetTree": _READS_CACHE,
    f"/{_REPEX}.ContentAddressableStorage/BatchUpdateBlobs": _PUSHES,
    "/google.bytestream.ByteStream/Read": _READS_CACHE,
    "/google.bytestream.ByteStream/Write": _PUSHES,
    "/google.bytestream.ByteStream/QueryWriteStatus": _PUSHES,
    "/grpc.health.v1.Health/Check": _HEALTH,
    "/grpc.health.v1.Health/List": _HEALTH,
    "/grpc.health.v1.Health/Watch": _HEALTH,
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": _DESCRIBES,
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": _DESCRIBES,
}

"""The table of methods: whole, and what it lets whom do."""

from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool

from hookfetch.cas.protos import bytestream_pb2, remote_execution_pb2
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.access import SCOPES, Caller, Scope, grant
from hookfetch.originals.folder import Folder
from hookfetch.server.grpc.admission.methods import RULES, Rule
from hookfetch.server.grpc.admission.permission import named_by, permit
from hookfetch.server.grpc.assets.pass_through import SERVICES
from hookfetch.server.grpc.assets.service import AssetService
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.readers import AnyReader
from hookfetch.server.grpc.server import GrpcServer
from hookfetch.v1 import feeds_pb2, jobs_pb2, operations_pb2, projects_pb2, refs_pb2, sources_pb2
from tests.server.grpc.gateway_lab import PROJECTS, gateway

PUBLIC = {f"/grpc.health.v1.Health/{name}" for name in ("Check", "List", "Watch")}
NEEDS: dict[Scope, set[str]] = {
    "read": {
        "RefService/Watch",
        "RefService/List",
        "RefService/Get",
        "SourceService/Locate",
        "ProjectService/List",
        "ProjectService/Describe",
        "ProjectService/Affected",
        "JobService/Watch",
        "FeedService/List",
        "OperationsService/ListDeliveries",
        "OperationsService/GetDelivery",
        "OperationsService/Explain",
        "OperationsService/ListElements",
        "OperationsService/State",
    },
    "track": {"SourceService/Track", "FeedService/Check"},
    "fetch": {"SourceService/Fetch", "SourceService/Stage"},
    "admin": {
        "ProjectService/Reload",
        "JobService/Cancel",
    }
    | {
        f"OperationsService/{name}"
        for name in (
            "ReplayDelivery", "RetryElements", "ReleaseElements", "CancelElements", "Pause", "Resume",
        )
    },
}  # fmt: skip
REQUESTS: dict[str, Any] = {
    "RefService/Watch": refs_pb2.WatchRequest(filter=refs_pb2.Filter(projects=["gnome"])),
    "RefService/List": refs_pb2.ListRequest(filter=refs_pb2.Filter(projects=["gnome"])),
    "SourceService/Track": sources_pb2.TrackRequest(project="gnome", element="a.bst"),
    "SourceService/Fetch": sources_pb2.FetchRequest(project="gnome", element="a.bst"),
    "SourceService/Stage": sources_pb2.StageRequest(project="gnome", element="a.bst"),
    "SourceService/Locate": sources_pb2.LocateRequest(project="gnome", element="a.bst"),
    "RefService/Get": refs_pb2.GetRequest(project="gnome", element="a.bst"),
    "ProjectService/Describe": projects_pb2.DescribeProjectRequest(project="gnome"),
    "ProjectService/Affected": projects_pb2.AffectedRequest(
        project="gnome", repository="https://g.example/a"
    ),
    "ProjectService/Reload": projects_pb2.ReloadRequest(project="gnome"),
    "JobService/Watch": jobs_pb2.WatchJobRequest(project="gnome", element="a.bst"),
    "JobService/Cancel": jobs_pb2.CancelJobRequest(project="gnome", element="a.bst"),
    "FeedService/List": feeds_pb2.ListFeedsRequest(projects=["gnome"]),
    "FeedService/Check": feeds_pb2.CheckFeedsRequest(project="gnome"),
    "OperationsService/Explain": operations_pb2.ExplainRequest(project="gnome", element="a.bst"),
    "OperationsService/ListElements": operations_pb2.ListElementsRequest(projects=["gnome"]),
    "OperationsService/RetryElements": operations_pb2.RetryElementsRequest(project="gnome", elements="a"),
    "OperationsService/ReleaseElements": operations_pb2.ReleaseElementsRequest(project="gnome", elements="a"),
    "OperationsService/CancelElements": operations_pb2.CancelElementsRequest(project="gnome", elements="a"),
    "OperationsService/Pause": operations_pb2.PauseRequest(projects=["gnome"]),
    "OperationsService/Resume": operations_pb2.ResumeRequest(projects=["gnome"]),
}


class Recording:
    """Keeps the handlers that a server is given, and hands them on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.handlers: list[Any] = []
        kind: Any = type(grpc.aio.server())
        add = kind.add_generic_rpc_handlers

        def record(server: Any, handlers: Any) -> None:
            self.handlers.extend(handlers)
            add(server, handlers)

        monkeypatch.setattr(kind, "add_generic_rpc_handlers", record)

    def methods(self) -> set[str]:
        """Return the full name of every method that is served."""
        named = {method for handler in self.handlers for method in getattr(handler, "_method_handlers", ())}
        pool = descriptor_pool.Default()
        for service in SERVICES:  # passed through: the handler has no list of its own
            assert any(handler.service(Details(f"/{service}/Any")) is not None for handler in self.handlers)
            named |= {f"/{service}/{each.name}" for each in pool.FindServiceByName(service).methods}
        return named


class Details(grpc.HandlerCallDetails):
    def __init__(self, method: str) -> None:
        self.method = method
        self.invocation_metadata = ()


async def test_every_method_that_is_served_has_a_rule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bytestream_pb2.DESCRIPTOR
    assert remote_execution_pb2.DESCRIPTOR
    recording = Recording(monkeypatch)
    cache = [SourceCacheConfig(url="http://127.0.0.1:1")]
    assets = AssetService({"gnome": cache}, 1.0, AnyReader(["gnome"]), Folder(Path("/nowhere")))
    async with gateway(tmp_path) as lab:
        recording.handlers.clear()
        server = GrpcServer(lab.bus, PROJECTS, "127.0.0.1:0", assets=assets)
        await server.start()
        await server.stop(0)
    served = recording.methods()
    assert len(served) > 25
    assert served - RULES.keys() == set()


def test_only_health_is_for_everyone() -> None:
    assert {method for method, rule in RULES.items() if rule.public} == PUBLIC


def test_each_method_needs_the_scope_that_its_documentation_says() -> None:
    for scope, methods in NEEDS.items():
        for method in methods:
            assert RULES[f"/hookfetch.v1.{method}"].scope == scope
    described = {method for methods in NEEDS.values() for method in methods}
    assert {f"/hookfetch.v1.{each}" for each in described} == {
        method for method in RULES if method.startswith("/hookfetch.v1.")
    }


@pytest.mark.parametrize("method", sorted(REQUESTS))
@pytest.mark.parametrize("scope", SCOPES)
def test_a_scope_opens_its_methods_for_its_projects_and_no_other(method: str, scope: Scope) -> None:
    rule = RULES[f"/hookfetch.v1.{method}"]
    named = named_by(rule, REQUESTS[method])
    assert named == ["gnome"]
    here = frozenset({"gnome", "sdk"})
    if scope == rule.scope:
        permit(rule, Caller("c", (grant([scope], ["gnome"]),)), named, here)
    else:
        with pytest.raises(Refused) as refused:
            permit(rule, Caller("c", (grant([scope], ["gnome"]),)), named, here)
        assert refused.value.code is grpc.StatusCode.PERMISSION_DENIED
    # With another project alone, this one is not there: the same as one that really is not.
    stranger = Caller("c", (grant(SCOPES, ["sdk"]),))
    told = []
    for place in (here, frozenset({"sdk"})):
        with pytest.raises(Refused) as refused:
            permit(rule, stranger, named, place)
        told.append((refused.value.code, str(refused.value), refused.value.details))
    assert told[0] == told[1]
    assert told[0][0] is grpc.StatusCode.NOT_FOUND


def test_what_is_about_every_project_needs_the_scope_with_each() -> None:
    rule = Rule(scope="admin", every=True)
    permit(rule, Caller("c", (grant(["admin"], ["gnome"]), grant(["admin"], ["sdk"]))), (), PROJECTS)
    with pytest.raises(Refused):
        permit(rule, Caller("c", (grant(["admin"], ["gnome"]), grant(["read"], ["sdk"]))), (), PROJECTS)

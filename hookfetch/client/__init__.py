"""The Python client: watch and list refs, ask for tracking and fetching, in an event loop (`Client`) or
without one (`BlockingClient`). It imports no server part."""

from hookfetch.client.blocking import BlockingClient
from hookfetch.client.client import Client
from hookfetch.client.credentials import Credentials
from hookfetch.client.errors import (
    ClientError,
    Compacted,
    Denied,
    InvalidRequest,
    NotFound,
    TimedOut,
    Unauthenticated,
    Unavailable,
    Unexpected,
    WorkFailed,
)
from hookfetch.client.projects import Element, ElementSource, Project, ProjectList
from hookfetch.client.values import Alarm, Listing, RefUpdate, Settlement
from hookfetch.client.watch import Watch
from hookfetch.client.work import (
    Fetched,
    FetchedSource,
    JobProgress,
    Located,
    LocatedSource,
    Staged,
    Tracked,
)
from hookfetch.core.digests import Digest

__all__ = [
    "Alarm",
    "BlockingClient",
    "Client",
    "ClientError",
    "Compacted",
    "Credentials",
    "Denied",
    "Digest",
    "Element",
    "ElementSource",
    "Fetched",
    "FetchedSource",
    "InvalidRequest",
    "JobProgress",
    "Listing",
    "Located",
    "LocatedSource",
    "NotFound",
    "Project",
    "ProjectList",
    "RefUpdate",
    "Settlement",
    "Staged",
    "TimedOut",
    "Tracked",
    "Unauthenticated",
    "Unavailable",
    "Unexpected",
    "Watch",
    "WorkFailed",
]

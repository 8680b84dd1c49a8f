"""The Python client: watch and list refs, ask for tracking and fetching. It imports no server part."""

from hookfetch.client.client import Client
from hookfetch.client.errors import (
    ClientError,
    Compacted,
    InvalidRequest,
    NotFound,
    TimedOut,
    Unavailable,
    Unexpected,
    WorkFailed,
)
from hookfetch.client.values import Alarm, Fetched, Listing, RefUpdate, Settlement, Tracked
from hookfetch.client.watch import Watch

__all__ = [
    "Alarm",
    "Client",
    "ClientError",
    "Compacted",
    "Fetched",
    "InvalidRequest",
    "Listing",
    "NotFound",
    "RefUpdate",
    "Settlement",
    "TimedOut",
    "Tracked",
    "Unavailable",
    "Unexpected",
    "Watch",
    "WorkFailed",
]

"""The Python client: watch and list refs, ask for tracking and fetching. It imports no server part."""

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
from hookfetch.client.values import Alarm, Fetched, Listing, RefUpdate, Settlement, Tracked
from hookfetch.client.watch import Watch

__all__ = [
    "Alarm",
    "Client",
    "ClientError",
    "Compacted",
    "Credentials",
    "Denied",
    "Fetched",
    "InvalidRequest",
    "Listing",
    "NotFound",
    "RefUpdate",
    "Settlement",
    "TimedOut",
    "Tracked",
    "Unauthenticated",
    "Unavailable",
    "Unexpected",
    "Watch",
    "WorkFailed",
]

"""Who may be answered by a job that is with a worker: never with what is older than the request."""

from typing import Literal

import pytest

from hookfetch.core.commands import Client, Refresh
from hookfetch.core.joining import Handed, joining

How = Literal["join", "take back", "wait"]


def asks(wants: Literal["track", "fetch"]) -> Refresh:
    client = Client(request_id="r", reply_to="inbox", wants=wants)
    return Refresh(element="a.bst", track=wants == "track", priority="interactive", client=client)


PUSH = Refresh(element="a.bst")


def handed(*, track: bool = True, asked: bool = True, begun: bool = False) -> Handed:
    return Handed(id="j", track=track, asked=asked, begun=begun, basis="now")


@pytest.mark.parametrize(
    ("refresh", "job", "how"),
    [
        (asks("track"), handed(), "join"),
        (asks("fetch"), handed(), "join"),
        (PUSH, handed(asked=False), "join"),
        (PUSH, handed(), "join"),
        (asks("track"), handed(asked=False), "take back"),  # to overtake
        (asks("fetch"), handed(asked=False), "take back"),
        (asks("track"), handed(track=False), "take back"),  # to track, too
        (asks("track"), handed(begun=True), "wait"),
        (PUSH, handed(begun=True), "wait"),
        (asks("fetch"), handed(begun=True), "wait"),  # tracking may fail
        (asks("fetch"), handed(begun=True, track=False), "join"),
        (asks("track"), handed(begun=True, track=False), "wait"),
        (Refresh(element="a.bst", track=False), handed(begun=True, track=False), "wait"),
    ],
)
def test_a_job_answers_what_it_will_see(refresh: Refresh, job: Handed, how: How) -> None:
    assert joining(refresh, job, "now") == how


@pytest.mark.parametrize("basis", ["later", None])
@pytest.mark.parametrize(("begun", "how"), [(False, "take back"), (True, "wait")])
def test_a_job_of_older_refs_answers_nobody_who_asks_now(begun: bool, how: How, basis: str | None) -> None:
    assert joining(asks("fetch"), handed(track=False, begun=begun), basis) == how

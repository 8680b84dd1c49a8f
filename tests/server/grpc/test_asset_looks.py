"""Looks at upstreams for clients: when one is made, and what is as good."""

import time
from collections.abc import Callable, Iterator

import pytest

from hookfetch.core.access import EVERYTHING, Caller, grant
from hookfetch.core.asset_questions import User
from hookfetch.core.errors import Temporary
from hookfetch.core.events import SourceRef
from hookfetch.core.jobs import Reply
from hookfetch.server.grpc.admission import admitted
from hookfetch.server.grpc.admission.admitted import Admitted
from hookfetch.server.grpc.assets.looks import Looks, Used

ALPHA = Used("gnome", User(element="alpha.bst", index=0, url="https://example.org/a", follows=True))


class Coordinator:
    """Answers each look with a newer commit, or as it is told."""

    def __init__(self) -> None:
        self.looks = 0
        self.outcome: str | Temporary = "fetched"

    async def ask(self, project: str, make: Callable[[str, str], object]) -> Reply:
        self.looks += 1
        assert (project, make("r", "me").element) == ("gnome", "alpha.bst")  # type: ignore[attr-defined]
        if isinstance(self.outcome, Temporary):
            raise self.outcome
        ref = SourceRef(index=0, kind="git", url=None, ref=str(self.looks) * 40)
        return Reply(request_id="r", outcome=self.outcome, element="alpha.bst", refs=(ref,))  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _everything() -> Iterator[None]:
    token = admitted.current.set(Admitted(Caller("me", (EVERYTHING,)), "fetch"))
    yield
    admitted.current.reset(token)


def looks(coordinator: Coordinator) -> Looks:
    return Looks(None, coordinator)  # type: ignore[arg-type]  # no question is asked here


async def test_a_look_is_as_good_as_its_beginning_is_late() -> None:
    made = looks(coordinator := Coordinator())
    before = time.time()
    first = await made.newest(ALPHA, None)
    assert first is not None
    assert (first.ref, before <= first.at <= time.time()) == ("1" * 40, True)
    assert await made.newest(ALPHA, before) == first
    assert coordinator.looks == 1
    later = await made.newest(ALPHA, time.time())
    assert later is not None
    assert later.ref == "2" * 40
    newest = await made.newest(ALPHA, None)
    assert newest is not None
    assert newest.ref == "3" * 40
    assert await made.newest(ALPHA, time.time() + 60) is None
    assert coordinator.looks == 3


@pytest.mark.parametrize("outcome", ["failed", "unavailable", "unknown_element", Temporary("no bus")])
async def test_a_look_that_cannot_be_had_tells_nothing(outcome: str | Temporary) -> None:
    made = looks(coordinator := Coordinator())
    coordinator.outcome = outcome
    assert await made.newest(ALPHA, None) is None


async def test_nobody_looks_for_a_caller_who_may_not_track() -> None:
    made = looks(coordinator := Coordinator())
    seen = await made.newest(ALPHA, None)
    admitted.current.set(Admitted(Caller("other", (grant(["fetch"], ["gnome"]),)), "fetch"))
    assert await made.newest(ALPHA, None) is None
    assert await made.newest(ALPHA, 0.0) == seen
    assert coordinator.looks == 1


async def test_of_too_many_looks_the_oldest_are_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookfetch.server.grpc.assets.looks._MOST_SEEN", 1)
    made = looks(Coordinator())
    first = await made.newest(ALPHA, None)
    assert first is not None
    made._seen["gnome", "beta.bst", 0] = first  # noqa: SLF001  a look at another element
    assert await made.newest(ALPHA, None) is not None

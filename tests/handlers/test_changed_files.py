"""What follows from a file at a fixed address that became another one."""

from hookfetch.core.codec import dump_event, load_event
from hookfetch.core.commands import Conclude, Refresh
from hookfetch.core.events import FileChanged
from hookfetch.core.matching import Index
from hookfetch.core.sources import Element, Source
from hookfetch.handlers import decide
from tests.handlers.project import State

URL = "https://example.org/a-1.tar"
CHANGED = FileChanged(id="sweep/a/1#0", delivery_id="sweep/a/1", observed_at=1.0, urls=(URL,))


def element(name: str, url: str) -> Element:
    return Element(name=name, kind="import", sources=(Source(index=0, kind="tar", urls=(url,)),))


def test_each_element_with_the_file_is_looked_at() -> None:
    elements = [element("a.bst", URL), element("b.bst", URL), element("other.bst", f"{URL}.gz")]
    event = load_event(dump_event(CHANGED))
    assert decide(event, State(index=Index.of(elements))) == [
        Refresh(element="a.bst"),
        Refresh(element="b.bst"),
    ]


def test_a_file_that_no_element_has_any_more_moves_nothing() -> None:
    assert decide(CHANGED, State(index=Index.of([]))) == [
        Conclude(outcome="nothing to do", reason="no element has this file any more")
    ]
    (conclusion,) = decide(CHANGED, State(index=None, unhealthy="it does not load"))
    assert conclusion == Conclude(outcome="nothing to do", reason="it does not load")

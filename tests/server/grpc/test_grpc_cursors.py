import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.server.grpc.cursors import BadCursor, Position, dump_cursor, load_cursor

NAMES = st.text(alphabet="ab/:,%ü -", min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.tuples(NAMES, st.integers(0, 10**17)), max_size=4))
def test_a_cursor_comes_back_as_the_positions_it_was_made_of(logs: dict[str, tuple[str, int]]) -> None:
    positions = {name: Position(name, log_id, number) for name, (log_id, number) in logs.items()}
    assert load_cursor(dump_cursor(positions.values())) == positions


def test_the_order_of_positions_does_not_show_in_a_cursor() -> None:
    one, two = Position("a", "x", 1), Position("b", "y", 2)
    assert dump_cursor([two, one]) == dump_cursor([one, two]) == "a/x:1,b/y:2"


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "a/x",
        "a/x:",
        "a/x:-1",
        "a/x:1.5",
        "a/x:٣",
        "a/:1",
        "/x:1",
        "a/x:1,",
        "a/x:1,a/y:2",
        "a/x:" + "9" * 19,
        "a/x:1," * 20000,
    ],
)
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(BadCursor):
        load_cursor(text)

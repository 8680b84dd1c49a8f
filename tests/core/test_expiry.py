"""What goes first when too much is kept."""

import pytest

from hookfetch.core.expiry import Kept, surplus


def kept(name: str, size: int, used: float, *, pinned: bool = False) -> Kept:
    return Kept(name=name, bytes=size, used=used, pinned=pinned)


OLD, MIDDLE, NEW = kept("old", 5, 1), kept("middle", 3, 2), kept("new", 4, 3)


@pytest.mark.parametrize(
    ("listed", "quota", "given_up"),
    [
        ([], 0, []),
        ([NEW, OLD, MIDDLE], 12, []),
        ([NEW, OLD, MIDDLE], 11, ["old"]),
        ([NEW, OLD, MIDDLE], 7, ["old"]),
        ([NEW, OLD, MIDDLE], 6, ["old", "middle"]),
        ([NEW, OLD, MIDDLE], 0, ["old", "middle", "new"]),
        ([NEW, kept("old", 5, 1, pinned=True), MIDDLE], 7, ["middle", "new"]),
        ([kept("all", 9, 1, pinned=True)], 0, []),
        ([kept("b", 1, 1), kept("a", 1, 1)], 1, ["a"]),
    ],
)
def test_the_least_recently_used_go_first_until_the_rest_fits_and_nothing_that_is_pinned(
    listed: list[Kept], quota: int, given_up: list[str]
) -> None:
    assert [each.name for each in surplus(listed, quota)] == given_up

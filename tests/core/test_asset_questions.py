"""Which sources an address means."""

from hookfetch.core.asset_questions import MOST, User, UsersAsked, users
from hookfetch.core.sources import Element, Source

REPOSITORY, FILE, DIGEST = "https://example.org/g/glib.git", "https://example.org/a-1.0.tar.xz", "a" * 64


def git(name: str, track: str | None, kind: str = "git_repo", url: str = REPOSITORY) -> Element:
    keys = {} if track is None else {"track": track}
    return Element(name=name, kind="meson", sources=(Source(index=0, kind=kind, urls=(url,), track=keys),))


def asked(kind: str, url: str, **more: str | None) -> UsersAsked:
    return UsersAsked(id="q", reply_to="me", projects=("p",), kind=kind, url=url, **more)  # type: ignore[arg-type]


TAR = Element(
    name="a.bst",
    kind="meson",
    sources=(
        Source(index=0, kind="local"),
        Source(index=1, kind="tar", urls=(FILE, "https://mirror.example.org/a-1.0.tar.xz"), ref=DIGEST),
    ),
)


def test_of_a_repository_those_that_follow_the_branch_alone_come_first() -> None:
    elements = [
        git("tags.bst", "v*"),
        git("pinned.bst", None, "git"),
        git("main.bst", "main"),
        git("tag.bst", "main", "git_tag"),
        git("elsewhere.bst", "main", url="https://example.org/other.git"),
        git("module.bst", "main", "git_module"),
        TAR,
    ]
    found = users(elements, asked("git", "git@example.org:G/glib", branch="main"))
    assert [(user.element, user.follows) for user in found] == [
        ("main.bst", True),
        ("tag.bst", True),
        ("tags.bst", False),
        ("pinned.bst", False),
    ]
    assert not any(user.follows for user in users(elements, asked("git", REPOSITORY)))
    assert users(elements, asked("git", "nowhere")) == ()


def test_a_file_is_meant_by_each_of_its_addresses_and_by_its_checksum() -> None:
    mine = User(element="a.bst", index=1, url=FILE, follows=True)
    assert users([TAR], asked("files", FILE)) == (mine,)
    other = User(element="a.bst", index=1, url=FILE, follows=False)
    assert users([TAR], asked("files", "https://mirror.example.org/a-1.0.tar.xz")) == (other,)
    assert users([TAR], asked("files", "https://example.org/b", digest=DIGEST)) == (other,)
    for url, digest in (
        ("https://example.org/b", None),
        ("https://example.org/b", "b" * 64),
        (REPOSITORY, None),
    ):
        assert users([TAR, git("main.bst", "main")], asked("files", url, digest=digest)) == ()


def test_no_more_are_told_than_one_could_use() -> None:
    assert (
        len(users([git(f"{number}.bst", "main") for number in range(50)], asked("git", REPOSITORY))) == MOST
    )

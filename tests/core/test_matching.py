from hookfetch.core.matching import Index
from hookfetch.core.repository import identify
from hookfetch.core.sources import Element, Source


def element(name: str, *sources: tuple[str, str]) -> Element:
    """An element with a git_repo source for each URL and track."""
    return Element(
        name=name,
        kind="import",
        sources=tuple(
            Source(index=index, kind="git_repo", urls=(url,), track={"track": track})
            for index, (url, track) in enumerate(sources)
        ),
    )


GLIB = "https://gitlab.gnome.org/GNOME/glib.git"


def affected(index: Index, url: str, ref: str) -> tuple[str, ...]:
    repository = identify(url)
    assert repository is not None
    return index.affected([repository], ref)


def test_a_push_affects_the_elements_that_follow_the_branch() -> None:
    index = Index.of([element("glib.bst", (GLIB, "main")), element("other.bst", (GLIB, "v*"))])
    assert affected(index, GLIB, "refs/heads/main") == ("glib.bst",)


def test_a_push_to_another_branch_affects_nothing() -> None:
    assert affected(Index.of([element("glib.bst", (GLIB, "main"))]), GLIB, "refs/heads/wip") == ()


def test_every_form_of_the_url_finds_the_element() -> None:
    index = Index.of([element("glib.bst", (GLIB, "main"))])
    for url in (
        "https://gitlab.gnome.org/GNOME/glib",
        "git@gitlab.gnome.org:GNOME/glib.git",
        "ssh://git@gitlab.gnome.org:2222/gnome/GLib.git/",
        "https://user:secret@gitlab.gnome.org:443/GNOME/glib.git",
    ):
        assert affected(index, url, "refs/heads/main") == ("glib.bst",)


def test_a_mirror_finds_the_element_but_is_not_asked() -> None:
    source = Source(
        index=0, kind="git_repo", urls=(GLIB, "https://mirror.example.org/glib"), track={"track": "main"}
    )
    index = Index.of([Element(name="glib.bst", kind="import", sources=(source,))])
    assert affected(index, "https://mirror.example.org/glib.git", "refs/heads/main") == ("glib.bst",)
    assert index.repositories() == {"gitlab.gnome.org/gnome/glib": (GLIB,)}
    assert index.identities() == {"gitlab.gnome.org/gnome/glib", "mirror.example.org/glib"}


def test_an_element_is_affected_once_however_often_it_is_found() -> None:
    index = Index.of([element("twice.bst", (GLIB, "main"), (GLIB, "ma*"))])
    repository = identify(GLIB)
    assert repository is not None
    assert index.affected([repository, repository], "refs/heads/main") == ("twice.bst",)
    assert len(index.followers(repository)) == 2


def test_elements_keep_the_order_of_the_project() -> None:
    names = [f"{name}.bst" for name in "zebra"]
    index = Index.of([element(name, (GLIB, "main")) for name in names])
    assert affected(index, GLIB, "refs/heads/main") == tuple(names)


def test_one_repository_is_asked_once_by_every_way_it_is_written() -> None:
    ssh = "git@gitlab.gnome.org:GNOME/glib.git"
    index = Index.of([element("a.bst", (ssh, "main")), element("b.bst", (GLIB, "main"), (GLIB, "v*"))])
    assert index.repositories() == {"gitlab.gnome.org/gnome/glib": (ssh, GLIB)}


def test_pinned_sources_and_urls_without_a_host_are_not_followed() -> None:
    pinned = Source(index=0, kind="git_repo", urls=(GLIB,))
    local = Source(index=1, kind="git_repo", urls=("file:///srv/glib.git",), track={"track": "main"})
    index = Index.of([Element(name="pinned.bst", kind="import", sources=(pinned, local))])
    assert index.repositories() == {}
    assert index.identities() == frozenset()


def test_elements_are_found_by_name() -> None:
    glib = element("glib.bst", (GLIB, "main"))
    index = Index.of([glib])
    assert index.element("glib.bst") is glib
    assert index.element("missing.bst") is None


def test_an_element_that_stays_still_is_known_and_followed_by_nothing() -> None:
    elements = [element("a.bst", (GLIB, "main")), element("b.bst", ("https://example.org/b.git", "main"))]
    index = Index.of(elements, still={"a.bst"})
    assert index.element("a.bst") == elements[0]
    assert affected(index, GLIB, "refs/heads/main") == ()
    assert set(index.repositories()) == {identify("https://example.org/b.git")} == index.identities()

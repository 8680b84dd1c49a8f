import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookfetch.core.repository import identify, identities, routing_key

FORMS = [
    "https://gitlab.gnome.org/GNOME/glib.git",
    "https://gitlab.gnome.org/GNOME/glib",
    "https://gitlab.gnome.org/GNOME/glib.git/",
    "https://gitlab.gnome.org:443/GNOME/glib.git",
    "http://gitlab.gnome.org:80/gnome/glib",
    "https://user:p%40ss@gitlab.gnome.org/GNOME/glib.git",
    "https://gitlab.gnome.org//GNOME//glib.git?x=1#y",
    "https://gitlab.gnome.org./GNOME/glib.git",
    "git+https://gitlab.gnome.org/GNOME/glib.git",
    "ssh://git@gitlab.gnome.org/GNOME/glib.git",
    "ssh://git@gitlab.gnome.org:2222/GNOME/glib.git",
    "git+ssh://git@gitlab.gnome.org/GNOME/glib.git",
    "git@gitlab.gnome.org:GNOME/glib.git",
    "git@gitlab.gnome.org:/GNOME/glib.git",
    "gitlab.gnome.org:GNOME/glib",
    "git://gitlab.gnome.org/GNOME/glib.git",
    "git://gitlab.gnome.org:9418/GNOME/glib.git",
    " HTTPS://GitLab.GNOME.org/GNOME/GLib.git\n",
    "https://gitlab.gnome.org/GNOME/gl%69b.git",
]


@pytest.mark.parametrize("url", FORMS)
def test_every_form_of_a_url_is_one_repository(url: str) -> None:
    assert identify(url) == "gitlab.gnome.org/gnome/glib"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "https://example.org",
        "https://example.org/",
        "https://example.org/.git",
        "https://example.org:port/a",
        "https://[::1/a",
        "file:///srv/a.git",
        "/srv/a.git",
        "./a.git",
        "ext::sh -c true",
        "ext::sh",
        "--upload-pack=touch /tmp/x",
        "-oProxyCommand=true:a/b",
    ],
)
def test_what_names_no_repository_on_a_host_has_no_identity(url: str) -> None:
    assert identify(url) is None


def test_ports_tell_http_servers_apart_but_not_ssh_ones() -> None:
    assert identify("http://example.org:3000/a/b.git") == "example.org:3000/a/b"
    assert identify("ssh://example.org:3000/a/b.git") == "example.org/a/b"


def test_an_ipv6_host_keeps_its_brackets_in_every_form() -> None:
    expected = "[2001:db8::1]/a/b"
    assert identify("https://[2001:DB8::1]/a/b.git") == expected
    assert identify("git@[2001:db8::1]:a/b.git") == expected
    assert identify("http://[2001:db8::1]:8080/a/b.git") == "[2001:db8::1]:8080/a/b"


def test_only_the_last_git_suffix_is_dropped() -> None:
    assert identify("https://example.org/a.git/b.git.git") == "example.org/a.git/b.git"


def test_identities_are_distinct_and_in_order() -> None:
    urls = ["https://b.example/x", "nothing", "git@b.example:x.git", "https://a.example/y"]
    assert identities(urls) == ("b.example/x", "a.example/y")


def test_a_routing_key_is_short_whatever_the_url() -> None:
    long = identify("https://example.org/" + "x" * 100_000)
    short = identify("https://example.org/x")
    assert long is not None
    assert short is not None
    assert len(routing_key(long)) == 32
    assert routing_key(long) != routing_key(short)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=60))
def test_any_text_has_an_identity_or_none_and_never_an_error(text: str) -> None:
    identify(text)
    identify(f"https://{text}/a")
    identify(f"git@{text}:a")


_segments = st.lists(st.text(alphabet="abzXY019._~+-", min_size=1, max_size=6), min_size=1, max_size=4)


@settings(deadline=None)  # a busy machine is no failure
@given(_segments)
def test_an_identity_as_a_url_is_the_same_identity(segments: list[str]) -> None:
    once = identify("https://example.org/" + "/".join(segments))
    if once is not None:
        assert identify(f"ssh://{once}") in (once, identify(f"ssh://{once}.git"))


_names = st.text(alphabet="abzXY019-", min_size=1, max_size=4)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.sampled_from(["https", "git", "ssh"]),
    st.sampled_from(["", "git@", "a-b_c@"]),
    st.lists(_names, min_size=1, max_size=3).map(".".join),
    st.lists(st.text(alphabet="aZ0._~-", max_size=4), min_size=1, max_size=4).map("/".join),
)
def test_the_plain_form_is_read_as_any_other(scheme: str, user: str, host: str, path: str) -> None:
    url = f"{scheme}://{user}{host}/{path}"
    assert identify(url) == identify(f"{url}?read=whole")

"""What clients are told to have in BuildStream's user configuration."""

from typing import Any

import pytest

from hookfetch.client_configuration import client_configuration, originals_urls
from hookfetch.config import Config, ProjectConfig
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.sources import Alias, Aliases, LoadedProject

CACHES: Any = (
    {
        "url": "https://index.example.org",
        "type": "index",
        "ca_file": "/ca.pem",
        "access_token_file": "/token",
    },
    {"url": "https://storage.example.org", "type": "storage"},
)
LOADED = LoadedProject(
    name="lab",
    elements=(),
    aliases=(
        Aliases(
            project="lab",
            aliases=(
                Alias(name="both", address="https://both.example.org/", kept_as=("git", "files")),
                Alias(name="private", address="https://private.example.org/", kept_as=("git",)),
                Alias(name="idle", address="https://idle.example.org/"),
            ),
            mirrors={"near": {"both": ("https://near.example.org/",)}, "made": None},
        ),
        Aliases(project="sdk", aliases=(Alias(name="idle", address="https://idle.example.org/"),)),
    ),
)


def is_private(address: str) -> bool:
    return "private" in address


def test_caches_are_pulled_from_and_originals_come_before_the_projects_own_mirrors() -> None:
    project = ProjectConfig(name="main", path="/p", source_cache=CACHES)
    made = client_configuration(
        project,
        LOADED,
        ["https://a.example.net", "https://b.example.net"],
        is_private,
        tokens=False,
        tracks=True,
    )
    caches = {
        "servers": [
            {
                "url": "https://index.example.org",
                "type": "index",
                "push": False,
                "auth": {"server-cert": "/ca.pem"},
            },
            {"url": "https://storage.example.org", "type": "storage", "push": False},
        ]
    }
    both = {
        letter: [
            f"https://{letter}.example.net/originals/git/https/both.example.org/",
            f"https://{letter}.example.net/originals/files/https/both.example.org/",
        ]
        for letter in "ab"
    }
    assert made.content == {
        "projects": {
            "lab": {
                "source-caches": caches,
                "mirrors": [
                    {"name": "hookfetch", "aliases": {"both": both["a"]}},
                    {"name": "hookfetch-2", "aliases": {"both": both["b"]}},
                    {"name": "near", "aliases": {"both": ["https://near.example.org/"]}},
                ],
            },
            "sdk": {"source-caches": caches},
        },
        "track": {"source": "all"},
    }
    assert [note.partition(":")[0] for note in made.notes] == ["https", "lab", "lab"]
    assert "'made'" in made.notes[2]
    assert "/token" not in str(made)


def test_without_originals_a_project_keeps_its_mirrors_and_tracks_where_it_did() -> None:
    made = client_configuration(
        ProjectConfig(name="main", path="/p"), LOADED, [], is_private, tokens=False, tracks=True
    )
    assert made.content == {"projects": {}}


def test_tracking_is_left_to_upstreams_where_that_is_wanted() -> None:
    project = ProjectConfig(name="main", path="/p")
    made = client_configuration(project, LOADED, ["http://a"], is_private, tokens=False, tracks=False)
    assert set(made.content) == {"projects"}


def test_who_shows_tokens_also_gets_what_is_kept_for_the_project_alone_and_is_told_where_they_stand() -> None:
    project = ProjectConfig(name="main", path="/p")
    made = client_configuration(
        project, LOADED, ["https://a.example.net"], is_private, tokens=True, tracks=True
    )
    (first, _) = made.content["projects"]["lab"]["mirrors"]
    assert first["aliases"]["private"] == ["https://a.example.net/originals/git/https/private.example.org/"]
    assert "machine a.example.net login" in made.notes[0]


@pytest.mark.parametrize(
    ("section", "urls"),
    [
        ({}, []),
        ({"listen": "127.0.0.1:8081"}, ["http://127.0.0.1:8081"]),
        ({"listen": "0.0.0.0:8081", "public_url": "https://a.example.net/x/"}, ["https://a.example.net/x"]),
    ],
)
def test_originals_are_where_the_configuration_says(section: dict[str, str], urls: list[str]) -> None:
    assert originals_urls(Config(state_dir="/s", originals=section)) == urls


def test_an_address_that_no_client_can_connect_to_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"originals\.public_url: is needed"):
        originals_urls(Config(state_dir="/s", originals={"listen": "[::]:8081"}))


def test_a_gateway_is_asked_for_names_alone_and_the_storage_for_content() -> None:
    project = ProjectConfig(name="main", path="/p", source_cache=CACHES)
    made = client_configuration(
        project,
        LOADED,
        [],
        is_private,
        tokens=True,
        tracks=True,
        gateway="https://h.example.net:50052",
        shares_storage=True,
    )
    servers = [
        {"url": "https://h.example.net:50052", "type": "index", "push": False},
        {"url": "https://storage.example.org", "type": "storage", "push": False},
    ]
    caches = {"override-project-caches": True, "servers": servers}
    assert made.content == {
        "projects": {"lab": {"source-caches": caches}, "sdk": {"source-caches": caches}},
        "cache": {"storage-service": {"url": "https://storage.example.org"}},
    }
    assert "https://h.example.net:50052: wants a token" in made.notes[-1]


@pytest.mark.parametrize("caches", [(), ({"url": "https://a.example.org", "push": False},)])
def test_storage_that_nothing_is_pushed_to_is_not_shared(caches: Any) -> None:
    project = ProjectConfig.model_construct(
        name="main", path="/p", source_cache=tuple(map(SourceCacheConfig.model_validate, caches))
    )
    with pytest.raises(ConfigurationError, match="no source cache to share"):
        client_configuration(project, LOADED, [], is_private, tokens=False, tracks=True, shares_storage=True)

"""Which forges are installed."""

from importlib.metadata import EntryPoint

import pytest

from hookfetch import forges
from hookfetch.core.errors import ConfigurationError


def install(monkeypatch: pytest.MonkeyPatch, *places: tuple[str, str]) -> None:
    entries = [EntryPoint(name, value, "hookfetch.forges") for name, value in places]
    monkeypatch.setattr(forges, "entry_points", lambda group: entries)


def test_the_four_forges_are_installed() -> None:
    assert {"github", "gitlab", "gitea", "forgejo"} <= set(forges.load_forges())


def test_one_forge_listed_twice_is_one_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *[("gitea", "hookfetch.forges.gitea:FORGE")] * 2)
    assert list(forges.load_forges()) == ["gitea"]


def test_two_forges_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("gitea", "hookfetch.forges.gitea:FORGE"), ("gitea", "elsewhere:FORGE"))
    with pytest.raises(ConfigurationError, match="installed twice"):
        forges.load_forges()


@pytest.mark.parametrize("place", ["no.such.module:FORGE", "hookfetch.forges.gitea:NONE", "json:dumps"])
def test_what_is_no_forge_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    install(monkeypatch, ("mine", place))
    with pytest.raises(ConfigurationError, match="'mine'"):
        forges.load_forges()

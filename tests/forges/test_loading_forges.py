"""Which forges are installed."""

import re
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hookfetch import forges
from hookfetch.core.errors import ConfigurationError
from tests.forges.corpus import CASES


def install(monkeypatch: pytest.MonkeyPatch, *places: tuple[str, str]) -> None:
    entries = [EntryPoint(name, value, "hookfetch.forges") for name, value in places]
    monkeypatch.setattr(forges, "entry_points", lambda group: entries)


def test_every_forge_of_the_corpus_is_installed() -> None:
    assert {case.forge for case in CASES} <= set(forges.load_forges())


def test_every_forge_is_documented_with_the_options_it_heeds() -> None:
    rows = {}
    for line in (Path(__file__).parents[2] / "docs" / "forges.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`") and cells[0] != "`forge`":
            rows[cells[0].strip("`")] = set(re.findall(r"`(\w+)`", cells[3]))
    assert rows == {name: set(getattr(made, "HEEDS", ())) for name, made in forges.load_forges().items()}


def test_one_forge_listed_twice_is_one_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, *[("gitea", "hookfetch.forges.gitea:Gitea")] * 2)
    assert list(forges.load_forges()) == ["gitea"]


def test_two_forges_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, ("gitea", "hookfetch.forges.gitea:Gitea"), ("gitea", "elsewhere:Gitea"))
    with pytest.raises(ConfigurationError, match="installed twice"):
        forges.load_forges()


@pytest.mark.parametrize("place", ["no.such.module:Forge", "hookfetch.forges.gitea:NONE", "json:dumps"])
def test_what_is_no_forge_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    install(monkeypatch, ("mine", place))
    with pytest.raises(ConfigurationError, match="'mine'"):
        forges.load_forges()

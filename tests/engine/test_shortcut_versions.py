"""The shortcut stands in for one version of everything it stands in for."""

from pathlib import Path

import pytest

from hookfetch.engine import version


def test_other_versions_of_what_it_stands_in_for_have_no_shortcut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version.other_than_the_shortcuts() is None
    monkeypatch.setattr(version, "version", lambda name: "9.9")
    assert version.other_than_the_shortcuts() == "BuildStream 2.8.1 is needed, and 9.9 is installed"


def test_what_is_tested_is_what_it_stands_in_for() -> None:
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
    assert {f"{name}=={wanted}" for name, wanted in version.SHORTCUT.items()} <= set(pins)

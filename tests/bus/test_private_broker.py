"""The tests' own broker: where it comes from, and that nothing of it stays."""

from pathlib import Path

import pytest

from tests.support import broker
from tests.support.broker import BrokerUnavailable, private_broker, services_stay_down


def test_a_broker_named_in_the_environment_is_used_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFETCH_TEST_AMQP", "amqp://elsewhere/")
    with private_broker() as url:
        assert url == "amqp://elsewhere/"


def test_who_may_not_install_a_broker_is_told_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(broker, "_PROGRAMS", tmp_path)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(BrokerUnavailable, match="HOOKFETCH_TEST_AMQP"):
        broker.ensure_installed()


def test_services_stay_down_while_packages_are_installed(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    with services_stay_down(policy):
        assert policy.read_text() == "#!/bin/sh\nexit 101\n"
        assert policy.stat().st_mode & 0o111
    assert not policy.exists()


def test_an_administrator_s_policy_is_left_alone(tmp_path: Path) -> None:
    policy = tmp_path / "policy-rc.d"
    policy.write_text("theirs")
    with services_stay_down(policy):
        pass
    assert policy.read_text() == "theirs"

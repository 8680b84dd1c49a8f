"""Originals are served as configured, and a configuration that would give tokens away is refused."""

from pathlib import Path

import pytest

from hookfetch.bootstrap.originals import originals_of
from hookfetch.config import Config
from hookfetch.core.errors import ConfigurationError
from hookfetch.demo.lab import free_port
from hookfetch.server.access.access import Access
from tests.support.certificates import Authority

CALLER = {
    "name": "ci",
    "token_files": ["ci.token"],
    "grants": [{"scopes": ["originals"], "projects": ["p"]}],
}


def test_nothing_listens_unless_it_is_wanted(tmp_path: Path) -> None:
    assert originals_of(Config(state_dir=tmp_path), Access()) == []


def test_tokens_are_taken_over_tls_or_on_this_machine_alone(tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path, "authority").certificate("originals", "127.0.0.1")
    tls = {"tls_cert": certificate, "tls_key": key}
    for section in {"listen": "127.0.0.1:8081"}, {"listen": "0.0.0.0:8081", **tls}:
        config = Config(state_dir=tmp_path, originals=section, caller=[CALLER])
        assert [part.name for part in originals_of(config, Access())] == ["originals"]
    config = Config(state_dir=tmp_path, originals={"listen": "0.0.0.0:8081"}, caller=[CALLER])
    with pytest.raises(ConfigurationError, match="tokens would come unencrypted"):
        originals_of(config, Access())


def test_a_certificate_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("bad")
    tls = {"tls_cert": tmp_path / "bad.pem", "tls_key": tmp_path / "bad.pem"}
    config = Config(state_dir=tmp_path, originals={"listen": "127.0.0.1:8081", **tls})
    with pytest.raises(ConfigurationError, match=r"originals\.tls_cert .*bad\.pem.*: cannot be used: \S"):
        originals_of(config, Access())


async def test_an_address_that_is_taken_is_said_in_one_line(tmp_path: Path) -> None:
    config = Config(state_dir=tmp_path, originals={"listen": f"127.0.0.1:{free_port()}"})
    (first,), (second,) = originals_of(config, Access()), originals_of(config, Access())
    await first.start()
    try:
        with pytest.raises(ConfigurationError, match=r"originals\.listen: cannot listen on 127\.0\.0\.1:"):
            await second.start()
    finally:
        await first.stop()
        await second.stop()

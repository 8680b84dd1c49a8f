"""Who may call, as configured: what `serve` refuses before anyone can."""

from pathlib import Path

import pytest

from hookfetch.bootstrap.access import access_of, credentials_of, grpc_limits_of
from hookfetch.config import Config, load_config
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access.access import NotKnown
from tests.support.certificates import Authority

TOKEN = "0f3c9d7e5b2a8046c3d91e7a"
CALLER = """[[caller]]
name = "ci"
token_files = ["ci.token"]
grants = [{ scopes = ["read", "track"], projects = ["gnome"] }]
"""


def configured(folder: Path, text: str) -> Config:
    (folder / "ci.token").write_text(f"{TOKEN}\n")
    file = folder / "hookfetch.toml"
    file.write_text(f"state_dir = 'state'\n{text}")
    return load_config(file)


def grpc(folder: Path, lines: str, callers: str = "") -> Config:
    return configured(folder, f"[grpc]\n{lines}\n{callers}")


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "127.8.8.8:1", "[::1]:1", "localhost:1"])
def test_this_machine_alone_may_everything_until_a_caller_is_configured(tmp_path: Path, listen: str) -> None:
    config = grpc(tmp_path, f"listen = '{listen}'")
    assert credentials_of(config) is None
    assert access_of(config)[0].identify(None).caller.may("admin", "p")
    access, _ = access_of(grpc(tmp_path, f"listen = '{listen}'", CALLER))
    assert access.identify(TOKEN).caller.may("track", "gnome@main")
    with pytest.raises(NotKnown):
        access.identify(None)


@pytest.mark.parametrize(
    ("lines", "callers", "reason"),
    [
        ("", "", "nothing says who may call: add \\[\\[caller\\]\\], set grpc.anonymous"),
        ("", CALLER, "tokens would come unencrypted: set grpc.tls_cert"),
        ("anonymous = []", CALLER, "tokens would come unencrypted"),
    ],
)
def test_an_address_that_others_reach_needs_callers_and_tls(
    tmp_path: Path, lines: str, callers: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=f"^grpc.listen: 0.0.0.0:1 is reached by others, .*{reason}"):
        credentials_of(grpc(tmp_path, f"listen = '0.0.0.0:1'\n{lines}", callers))


def test_it_may_be_open_on_purpose(tmp_path: Path) -> None:
    lines = "listen = '0.0.0.0:1'\nanonymous = [{ scopes = ['read'], projects = ['*'] }]"
    config = grpc(tmp_path, lines)
    assert credentials_of(config) is None
    anyone = access_of(config)[0].identify(None).caller
    assert anyone.may("read", "p")
    assert not anyone.may("track", "p")


def test_with_tls_and_a_caller_it_is_served(tmp_path: Path) -> None:
    pair = Authority(tmp_path, "ours").certificate("gateway", "localhost")
    lines = f"listen = '0.0.0.0:1'\ntls_cert = '{pair[0].name}'\ntls_key = '{pair[1].name}'\nstreams = 7"
    config = grpc(tmp_path, lines, CALLER)
    assert credentials_of(config) is not None
    assert grpc_limits_of(config).streams == 7


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[grpc]\ntls_cert = 'a'", "grpc: .*belong together"),
        ("[grpc]\nclient_ca = 'a'", "grpc: .*needs `tls_cert`"),
        (CALLER.replace('"track"', '"write"'), "caller.0.grants.0.scopes.1: "),
        (CALLER.replace('["gnome"]', "[]"), "caller.0.grants.0.projects: "),
        (CALLER.replace('"gnome"', '"[z-a]"'), "caller.0.grants.0.projects: .*no sense"),
        (CALLER.replace('token_files = ["ci.token"]', ""), "caller.0: .*needs `token_files` or"),
        (CALLER.replace('"ci"', '"anonymous"'), "caller.0.name: .*see grpc.anonymous"),
        (CALLER + CALLER, "caller: .*'ci' is used twice"),
        (CALLER + "expires = 2027-01-01T00:00:00", "caller.0.expires: "),
    ],
)
def test_a_section_that_cannot_be_used_is_named(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"hookfetch\.toml: {reason}"):
        configured(tmp_path, text)


def test_certificates_need_an_authority(tmp_path: Path) -> None:
    config = configured(tmp_path, CALLER + 'certificates = ["ci.example.org"]\n')
    with pytest.raises(
        ConfigurationError, match=r"caller ci: certificates are asked for with grpc\.client_ca"
    ):
        credentials_of(config)


def test_a_token_that_can_be_guessed_is_refused_at_start(tmp_path: Path) -> None:
    config = configured(tmp_path, CALLER)
    (tmp_path / "ci.token").write_text("secret")
    with pytest.raises(ConfigurationError, match=r"ci\.token: caller ci: the token has fewer than 24"):
        access_of(config)

"""An unmodified `bst` that shows hookfetch an access token, over TLS."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hookfetch.client import Client, Credentials
from hookfetch.demo.lab import Lab
from tests.end_to_end.conftest import WITHIN, Service, Start
from tests.support.bst_client import BstClient
from tests.support.certificates import Authority

pytestmark = pytest.mark.engine

ALL = ("alpha.bst", "beta.bst", "gamma.bst", "delta.bst")
TOKENS = {"reader": "5b2a8046c3d90f3c9d7e1e7a", "stranger": "0f3c9d7e5b2a8046c3d91e7a"}


def guarded(certificate: Path, key: Path) -> Callable[[Lab], None]:
    """Return what has the service know one caller, and serve over TLS."""

    def configure(lab: Lab) -> None:
        for name, token in TOKENS.items():
            (lab.root / f"{name}.token").write_text(f"{token}\n")
        tls = f'[grpc]\ntls_cert = "{certificate}"\ntls_key = "{key}"\n'
        caller = (
            '[[caller]]\nname = "reader"\ntoken_files = ["reader.token"]\n'
            f'grants = [{{ scopes = ["read", "fetch"], projects = ["{lab.project}"] }}]\n'
        )
        lab.config.write_text(lab.config.read_text().replace("[grpc]\n", tls) + caller)

    return configure


async def test_a_token_file_opens_the_source_cache_and_another_does_not(start: Start, tmp_path: Path) -> None:
    ours = Authority(tmp_path, "ours")
    service = await start(before=guarded(*ours.certificate("gateway", "127.0.0.1")))
    lab = service.lab
    credentials = Credentials(token_file=lab.root / "reader.token", ca_file=ours.file)
    async with Client(lab.grpc, credentials) as client:
        await Service(lab, service.serve, client).ready()
        for element in ALL:
            assert (await client.fetch(lab.project, element, timeout=WITHIN)).cached
    pulled = {}
    for name in TOKENS:
        auth = {"server-cert": str(ours.file), "access-token": str(lab.root / f"{name}.token")}
        ran = await BstClient(lab, [{"url": f"https://{lab.grpc}", "type": "all", "auth": auth}], name).fetch(
            *ALL
        )
        # Who is not let in has the upstreams, as without hookfetch.
        assert ran.code == 0, ran.told
        pulled[name] = ran.pulled
    assert pulled == {"reader": 4, "stranger": 0}

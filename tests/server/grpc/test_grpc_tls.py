"""Tokens and certificates over real TLS, with an authority made for the test."""

from pathlib import Path

import pytest

from hookfetch.client import Client, Credentials, Unauthenticated, Unavailable
from hookfetch.core.access import EVERYTHING, Caller
from hookfetch.core.errors import ConfigurationError
from hookfetch.server.access.access import Access, Known
from hookfetch.server.grpc.admission.credentials import server_credentials
from tests.server.grpc.access_lab import access_for, guarded, known
from tests.support.certificates import Authority


@pytest.fixture
def ours(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


async def test_a_token_over_tls_is_let_in_and_another_is_not(tmp_path: Path, ours: Authority) -> None:
    pair = ours.certificate("gateway", "localhost")
    access = access_for(known("gnome"))
    async with guarded(tmp_path, access, credentials=server_credentials(*pair, None), ca=ours.file) as lab:
        async with lab.client("gnome") as client:
            assert len((await client.list()).updates) == 2
        async with lab.client("lost") as client:
            with pytest.raises(Unauthenticated, match="is not known here"):
                await client.list()
        async with lab.client(None) as client:
            with pytest.raises(Unauthenticated, match="a token is needed"):
                await client.list()


async def test_a_gateway_that_another_authority_signed_is_not_trusted(
    tmp_path: Path, ours: Authority
) -> None:
    pair = Authority(tmp_path, "theirs").certificate("gateway", "localhost")
    credentials = server_credentials(*pair, None)
    async with (
        guarded(tmp_path, access_for(known("gnome")), credentials=credentials, ca=ours.file) as lab,
        lab.client("gnome") as client,
    ):
        with pytest.raises(Unavailable):
            await client.list()


async def test_a_client_s_certificate_is_a_caller_by_its_name(tmp_path: Path, ours: Authority) -> None:
    access = Access(
        [
            Known(caller=Caller("ci", (EVERYTHING,)), certificates=frozenset({"ci.example.org"})),
            Known(caller=Caller("cn", (EVERYTHING,)), certificates=frozenset({"builder"})),
        ]
    )
    credentials = server_credentials(*ours.certificate("gateway", "localhost"), ours.file)
    async with guarded(tmp_path, access, credentials=credentials, ca=ours.file) as lab:
        for pair in (ours.certificate("ci", "ci.example.org"), ours.certificate("builder")):
            async with lab.client(None, pair) as client:
                assert len((await client.list()).updates) == 2
        async with lab.client(None, ours.certificate("stranger", "stranger.example.org")) as client:
            with pytest.raises(Unauthenticated):
                await client.list()


async def test_without_a_certificate_of_the_authority_nobody_connects(
    tmp_path: Path, ours: Authority
) -> None:
    access = Access([Known(caller=Caller("ci", (EVERYTHING,)), certificates=frozenset({"ci"}))])
    credentials = server_credentials(*ours.certificate("gateway", "localhost"), ours.file)
    async with guarded(tmp_path, access, credentials=credentials, ca=ours.file) as lab:
        foreign = Authority(tmp_path, "theirs").certificate("ci", "ci")
        for pair in (None, foreign):
            async with lab.client(None, pair) as client:
                with pytest.raises(Unavailable):
                    await client.list()


async def test_a_renewed_certificate_is_served_without_a_restart(tmp_path: Path, ours: Authority) -> None:
    certificate, key = ours.certificate("gateway", "localhost")
    access = access_for(known("gnome"))
    credentials = server_credentials(certificate, key, None)
    async with guarded(tmp_path, access, credentials=credentials, ca=ours.file) as lab:
        async with lab.client("gnome") as client:
            await client.list()
        theirs = Authority(tmp_path, "theirs")
        theirs.certificate("gateway", "localhost")  # the same files
        lab.ca = theirs.file
        async with lab.client("gnome") as client:
            await client.list()


def test_files_that_are_no_pair_are_refused_in_one_line(tmp_path: Path, ours: Authority) -> None:
    one, other = ours.certificate("one", "localhost"), ours.certificate("other", "localhost")
    with pytest.raises(ConfigurationError, match=r"grpc\.tls_cert, grpc\.tls_key: .*one\.crt"):
        server_credentials(one[0], other[1], None)
    with pytest.raises(ConfigurationError, match=r"grpc\.client_ca: .*one\.key"):
        server_credentials(*one, one[1])


async def test_a_token_is_not_sent_to_another_machine_without_tls(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef01234567\n")
    with pytest.raises(ConfigurationError, match=r"not sent to gateway\.example\.org:1 without TLS"):
        Client("gateway.example.org:1", Credentials(token_file=file))

"""A broker over TLS: trusted when its authority is, and refused in one line otherwise."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.bus.rabbitmq.bus import RabbitBus
from hookfetch.bus.rabbitmq.link import broker_address
from hookfetch.core.errors import ConfigurationError
from tests.bus.recorder import in_the_end, message
from tests.conftest import available
from tests.support.broker import PrivateBroker, free_ports


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["openssl", *arguments],
        cwd=folder,
        check=True,
        capture_output=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def authority(folder: Path, name: str) -> None:
    openssl(
        folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.pem",
    )  # fmt: skip


def certificate(folder: Path, name: str, authority: str, host: str) -> None:
    openssl(
        folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
        "-keyout", f"{name}.key", "-out", f"{name}.csr",
    )  # fmt: skip
    (folder / f"{name}.ext").write_text(f"subjectAltName={host}\n")
    openssl(
        folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
        "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem",
    )  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    authority(folder, "ours")
    authority(folder, "theirs")
    certificate(folder, "broker", "ours", "DNS:localhost")
    certificate(folder, "client", "ours", "DNS:client")
    return folder


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    [port] = free_ports(1)
    settings = (
        f"listeners.ssl.1 = 127.0.0.1:{port}\nssl_options.cacertfile = {folder}/ours.pem\n"
        f"ssl_options.certfile = {folder}/broker.pem\nssl_options.keyfile = {folder}/broker.key\n"
        "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
    )
    with available(PrivateBroker(settings)):
        yield port


def bus_to(port: int, folder: Path, *, ca: str = "ours", host: str = "localhost") -> RabbitBus:
    address = broker_address(
        f"amqps://guest:guest@{host}:{port}/",
        ca=folder / f"{ca}.pem",
        certificate=folder / "client.pem",
        key=folder / "client.key",
    )
    return RabbitBus(address, confirm_timeout=10.0)


@pytest.mark.broker
async def test_the_right_authority_and_a_client_s_certificate_connect(port: int, folder: Path) -> None:
    bus = bus_to(port, folder)
    await in_the_end(bus.start)
    await bus.publish_job("p", "background", message("over TLS"))
    await bus.close()


@pytest.mark.broker
@pytest.mark.parametrize(("ca", "host"), [("theirs", "localhost"), ("ours", "127.0.0.1")])
async def test_another_authority_or_host_is_refused_and_says_what_to_do(
    port: int, folder: Path, ca: str, host: str
) -> None:
    bus = bus_to(port, folder, ca=ca, host=host)
    with pytest.raises(ConfigurationError, match=r"not trusted.*bus\.ca_file") as refused:
        await bus.start()
    assert "\n" not in str(refused.value)
    assert "guest" not in str(refused.value)
    await bus.close()


@pytest.mark.parametrize(
    ("url", "files", "words"),
    [
        ("amqp://h/", {"ca": "ours.pem"}, r"need an amqps"),
        ("amqps://h/", {"ca": "none.pem"}, r"bus\.ca_file"),
        ("amqps://h/", {"key": "client.key"}, r"needs bus\.cert_file"),
        ("amqps://h/", {"certificate": "client.pem", "key": "ours.key"}, r"bus\.cert_file"),
    ],
)
def test_files_that_cannot_be_used_are_one_line(
    folder: Path, url: str, files: dict[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        broker_address(url, **{name: folder / file for name, file in files.items()})

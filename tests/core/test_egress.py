"""Where a connection may lead: anywhere for what a project names, to public addresses alone for the rest."""

import pytest

from hookfetch.core.egress import is_public, named_by, refusal

PUBLIC = "93.184.216.34"


@pytest.mark.parametrize(
    "address",
    [
        *(PUBLIC, "2606:2800:220:1:248:1893:25c8:1946"),
        *(f"::ffff:{PUBLIC}", f"64:ff9b::{PUBLIC}", "2002:5db8:d822::1"),  # the same host by IPv4
    ],
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.1.2.3"),
        *("224.0.0.1", "239.255.255.250", "255.255.255.255", "240.0.0.1", "192.0.0.8", "198.18.0.1"),
        *("::1", "::", "fc00::1", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1"),
        *("2002:7f00:1::1", "2002:a00:1::1", "2001:0:5db8:d822::1", "2001:db8::1", "4000::1"),
    ],
)
def test_addresses_of_a_machine_or_its_network_are_not(address: str) -> None:
    assert not is_public(address)


def test_what_is_public_needs_no_name() -> None:
    assert refusal("a.example", 80, [PUBLIC, "2606:4700::1"], frozenset()) is None


def test_one_private_answer_among_public_ones_is_refused_and_said() -> None:
    said = refusal("a.example", 80, [PUBLIC, "10.0.0.1"], frozenset())
    assert said is not None
    assert said.startswith("a.example:80 is at the private address 10.0.0.1, ")


def test_an_address_that_is_asked_for_as_such_is_said_once() -> None:
    assert refusal("0:0::1", 80, ["::1"], frozenset()) == (
        "[::1]:80 is a private address, which the project does not name"
    )


@pytest.mark.parametrize(
    ("address", "places"),
    [
        ("https://Forge.Example./x.git", {("forge.example", 443)}),
        ("http://forge.example/x", {("forge.example", 80), ("forge.example", 443)}),
        ("http://u:p@forge.example:3000/x", {("forge.example", 3000), ("forge.example", 443)}),
        ("http://[0:0::1]:81/x", {("::1", 81), ("::1", 443)}),
        ("https://b\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example/", {("xn--bcher-kva.example", 443)}),
        ("ssh://git@forge.example/x", {("forge.example", 22)}),
        ("git@forge.example:group/x.git", {("forge.example", 22)}),
        ("git://forge.example/x", {("forge.example", 9418)}),
        ("ftp://files.example/x.tar", {("files.example", 21)}),
        ("socks5://proxy.example:1080", {("proxy.example", 1080)}),
    ],
)
def test_an_address_names_its_host_with_its_port(address: str, places: set[tuple[str, int]]) -> None:
    assert named_by(address) == places


@pytest.mark.parametrize(
    "address", ["", "main", "file:///etc", "/srv/x.git", "../x", "Lab::Lab", "http://[::1"]
)
def test_what_is_no_address_of_another_machine_names_none(address: str) -> None:
    assert not named_by(address)


def test_what_is_named_may_lie_anywhere_on_its_port_alone() -> None:
    named = named_by("https://forge.lan/x.git")
    assert refusal("FORGE.lan.", 443, ["10.0.0.1", "fd00::1"], named) is None
    assert refusal("forge.lan", 22, ["10.0.0.1"], named) is not None
    assert refusal("forge.lan", 80, ["10.0.0.1"], named) is not None


def test_a_name_stands_for_itself_and_not_for_its_addresses() -> None:
    named = named_by("https://forge.lan/x.git")
    assert refusal("evil.example", 443, ["10.0.0.1"], named) is not None
    assert refusal("10.0.0.1", 443, ["10.0.0.1"], named) is not None

"""Guarded sockets, and what git is told of them, in processes of their own: it is for the life of one."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hookfetch.engine.egress.socket_owner import _asked, _listed, owner_of

# Answers for two names as a name server would give them; `public.example` is never reached: connecting to
# it is noted in place of being done.
_RESOLVER = """
import socket, sys
from hookfetch.core.egress import named_by
answers = {
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "public.example": ["93.184.216.34"],
    "rebinding.example": ["93.184.216.34"],
    "named.example": ["127.0.0.1"],
}
asked, connected = [], []
real, connect = socket.getaddrinfo, socket.socket.connect
def getaddrinfo(host, port, *rest, **more):
    asked.append(host)
    found = answers.get(host)
    if host == "rebinding.example":
        answers[host] = ["127.0.0.1"]  # the next one who asks is told so
    if found is None:
        return real(host, port, *rest, **more)
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, int(port))) for each in found]
def note(self, address):
    connected.append(tuple(address))
    if address[0] == "127.0.0.1":
        connect(self, address)
socket.getaddrinfo, socket.socket.connect = getaddrinfo, note
import hookfetch.engine.egress.guarded_sockets
from hookfetch.engine.egress.named import write_named
port = int(sys.argv[1])
def tried(host, port=port):
    try:
        socket.create_connection((host, port), 5).close()
    except ConnectionError as error:
        return str(error)
    return "connected"
"""


def run(script: str, tmp_path: Path, *arguments: object, **environment: str) -> str:
    """Return what a Python process prints that runs `script`."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        env={**os.environ, "TMPDIR": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_name_with_public_and_private_addresses_is_not_connected_to(tmp_path: Path, port: int) -> None:
    said = run(f"{_RESOLVER}\nprint(tried('mixed.example'), connected)", tmp_path, port)
    assert said == (
        f"mixed.example:{port} is at the private address 127.0.0.1, "
        "and the project does not name this host and port []"
    )


def test_a_public_name_is_connected_to_where_it_was_when_it_was_judged(tmp_path: Path) -> None:
    said = run(f"{_RESOLVER}\nprint(tried('rebinding.example'), connected, asked)", tmp_path, 80)
    assert said == "connected [('93.184.216.34', 80)] ['rebinding.example']"


def test_a_named_host_may_be_anywhere_on_its_port_alone(tmp_path: Path, port: int) -> None:
    script = f"""{_RESOLVER}
before = tried("named.example")
write_named(named_by(f"git://named.example:{{port}}/x"))
print(before != "connected", tried("named.example"), tried("named.example", 1) != "connected")
print(tried("127.0.0.1"))
"""
    assert run(script, tmp_path, port).splitlines() == [
        "True connected True",
        f"127.0.0.1:{port} is a private address, which the project does not name",
    ]


@pytest.mark.parametrize(
    "host",
    ["2130706433", "0177.0.0.1", "0x7f.1", "127.1", "::ffff:127.0.0.1", "0", "localhost", "LOCALHOST", ""],
)
@pytest.mark.parametrize("connecting", ["connect", "connect_ex"])
def test_an_address_is_judged_however_it_is_written_and_without_a_resolver(
    host: str, connecting: str, tmp_path: Path, port: int
) -> None:
    script = f"""
import socket, sys
import hookfetch.engine.egress.guarded_sockets as guarded
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
with socket.socket(family) as it:
    try:
        print(it.{connecting}((sys.argv[1], {port})))
    except guarded.NotNamed as error:
        print("refused", error)
"""
    assert run(script, tmp_path, host).startswith("refused ")


def test_children_of_a_forkserver_are_kept_to_what_is_named_when_they_connect(
    tmp_path: Path, port: int
) -> None:
    script = f"""
import multiprocessing, socket
from hookfetch.core.egress import named_by
from hookfetch.engine.egress.named import write_named
def attempt(answer):
    try:
        socket.create_connection(("127.0.0.1", {port}), 5).close()
        answer.send("connected")
    except ConnectionError as error:
        answer.send(str(error))
def asked():
    mine, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("forkserver")
    child = context.Process(target=attempt, args=(theirs,))
    child.start(); told = mine.recv(); child.join()
    return told
if __name__ == "__main__":
    multiprocessing.set_forkserver_preload(["hookfetch.engine.egress.guarded_sockets"])
    first = asked()
    write_named(named_by("http://127.0.0.1:{port}/x"))
    print(first, asked())
"""
    path = tmp_path / "downloading.py"
    path.write_text(script)
    said = run(f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')", tmp_path)
    assert said == f"127.0.0.1:{port} is a private address, which the project does not name connected"


_LED = """
import os, pathlib, sys
from hookfetch.engine.egress.git_egress import lead_through
from hookfetch.engine.egress.relay import Relay
with Relay() as relay:
    lead_through(relay, pathlib.Path(os.environ["TMPDIR"]))
    print({os.environ[f"GIT_CONFIG_KEY_{number}"] for number in range(int(os.environ["GIT_CONFIG_COUNT"]))})
"""


def test_git_is_led_through_the_relay_whatever_asks_for_no_proxy(tmp_path: Path) -> None:
    printed = run(f"{_LED}\nprint(os.environ.get('no_proxy'))", tmp_path, HOME=str(tmp_path), no_proxy="*")
    assert "http.proxy" in printed
    assert "core.gitProxy" in printed
    assert printed.endswith("None")


def test_a_proxy_of_the_operator_stays(tmp_path: Path) -> None:
    assert "http.proxy" not in run(
        _LED, tmp_path, HOME=str(tmp_path), https_proxy="http://proxy.example:3128"
    )
    (tmp_path / ".gitconfig").write_text("[http]\n\tproxy = http://proxy.example:3128\n")
    assert "http.proxy" not in run(_LED, tmp_path, HOME=str(tmp_path))


def test_what_git_rewrites_addresses_to_is_the_word_of_the_operator(tmp_path: Path) -> None:
    (tmp_path / ".gitconfig").write_text('[url "https://mirror.lan/"]\n\tinsteadOf = https://github.com/\n')
    script = """
from hookfetch.engine.egress.git_egress import rewritten_to
from hookfetch.engine.egress.named import of_operator
print(sorted(of_operator(["forge.lan:8443"], rewritten_to())))
"""
    proxies = {"HOME": str(tmp_path), "http_proxy": "proxy.lan:3128", "https_proxy": ""}
    assert run(script, tmp_path, **proxies) == (
        "[('forge.lan', 8443), ('mirror.lan', 443), ('proxy.lan', 443), ('proxy.lan', 3128)]"
    )


def test_a_host_of_ssh_s_configuration_is_named_by_what_the_project_writes(tmp_path: Path, port: int) -> None:
    script = f"""
from hookfetch.core.egress import named_by
from hookfetch.engine.egress.guarded_sockets import NotNamed, resolve
from hookfetch.engine.egress.named import write_named
write_named(named_by("ssh://git@forge:{port}/x"))
print(len(resolve("127.0.0.1", {port}, alias="forge")) > 0)
try:
    resolve("127.0.0.1", {port}, alias="other")
except NotNamed as error:
    print("refused")
"""
    assert run(script, tmp_path).split() == ["True", "refused"]


def test_the_kernel_says_whose_a_connection_is() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
    ):
        ends = client.getsockname(), server.getsockname()
        assert owner_of(*ends) == _asked(*ends) == _listed(*ends) == os.getuid()
        nowhere = ("127.0.0.1", 1), server.getsockname()
        assert _asked(*nowhere) is _listed(*nowhere) is None

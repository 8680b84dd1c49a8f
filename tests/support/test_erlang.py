"""The port mapper of the tests' brokers is there before they are, or says that it is not."""

import socket
from pathlib import Path

import pytest

from tests.support.erlang import PortMapper


def test_a_mapper_answers_before_anything_is_started_that_would_start_its_own() -> None:
    with PortMapper() as mapper:
        socket.create_connection(("127.0.0.1", _port(mapper)), timeout=1).close()


def test_a_mapper_whose_port_is_taken_says_so_and_leaves_nothing() -> None:
    mapper = PortMapper()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", _port(mapper)))
        with pytest.raises(RuntimeError, match=f"epmd does not listen on 127.0.0.1:{_port(mapper)}"):
            mapper.__enter__()
    home = Path(mapper.environment["HOME"])
    assert home.name.startswith("hookfetch-erlang-")
    assert not home.exists()


def _port(mapper: PortMapper) -> int:
    return int(mapper.environment["ERL_EPMD_PORT"])

from pathlib import Path

import pytest

from hookfetch.demo.upstreams import Repository, create_repository
from tests.upstreams.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = create_repository(tmp_path, "glib")
    made.commit({"a": "1"}, "first")
    return made

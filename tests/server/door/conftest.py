"""A door that lingers no longer than a test wants to wait."""

import pytest

from hookfetch.server import http
from hookfetch.server.door import connection


@pytest.fixture(autouse=True)
def _short_lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LINGER_SECONDS", 0.3)
    monkeypatch.setattr(http, "TICK", 0.02)

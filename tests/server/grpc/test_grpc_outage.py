"""What an operator is told of a source cache that is away."""

from datetime import datetime
from pathlib import Path

from hookfetch.client.telling import state_lines
from tests.coordinator.service import until, until_rows
from tests.coordinator.test_cache_away import WithCache, held
from tests.server.grpc.test_grpc_operations import operated


async def test_state_tells_since_when_and_why_the_source_cache_is_away_and_how_much_is_held(
    tmp_path: Path,
) -> None:
    engine = WithCache("a", "b")
    async with operated(tmp_path, engine) as lab:
        assert (await lab.operations.state()).projects[0].cache_away is None
        await lab.pushed("h/1")
        await lab.pushed("h/2", "b")
        await until_rows(lambda: held(lab.service), [(2, 0)])
        state = await lab.operations.state()
        away = state.projects[0].cache_away
        assert away is not None
        assert (away.reason, away.held) == ("source cache http://there: UNAVAILABLE: refused", 2)
        since = datetime.fromtimestamp(away.since).astimezone().isoformat(sep=" ", timespec="seconds")
        (line,) = state_lines(state)
        assert f", source cache not there since {since} (2 jobs held for it): {away.reason}  log at" in line

        engine.there = True
        await until(lambda: len(lab.service.entries) == 2)
        await until_rows(lambda: lab.service.rows("SELECT * FROM cache_outage"), [])
        assert (await lab.operations.state()).projects[0].cache_away is None

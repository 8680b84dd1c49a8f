from structlog.testing import capture_logs

from hookfetch.server.access.audit import REFUSALS_A_SECOND, Audit


def test_a_flood_of_refusals_is_counted_and_told_with_the_next_one() -> None:
    now = 0.0
    audit = Audit(lambda: now)

    def refuse() -> None:
        audit.refused(caller=None, peer="ipv4:127.0.0.1:1", method="/a/b", projects=(), reason="x" * 1000)

    with capture_logs() as lines:
        for _ in range(REFUSALS_A_SECOND + 30):
            refuse()
        now = 1.0
        refuse()
    assert len(lines) == REFUSALS_A_SECOND + 1
    assert lines[-1]["untold"] == 30
    assert len(lines[-1]["reason"]) == 200

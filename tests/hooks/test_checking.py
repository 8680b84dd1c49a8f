"""What is wrong with a hook is found, told once, and what never arrived is sent again."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from hookfetch.forges.api.values import Sent, Target
from hookfetch.hooks.checking import Checker
from hookfetch.hooks.judging import MOST_ATTEMPTS, Finding, undelivered
from hookfetch.hooks.registration import KnownBy, NothingKnown, Registration
from hookfetch.hooks.watching import HookWatch
from tests.forges.api.standin import Kept, Trouble
from tests.hooks.conftest import REPOSITORY, Lab, OpenLab

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
FORGES = ["github", "gitlab", "gitea"]


class Known:
    def __init__(self, *deliveries: str) -> None:
        self.deliveries = deliveries
        self.asked: list[str] = []

    async def known(self, deliveries: Collection[str]) -> Collection[str]:
        self.asked += deliveries
        return [each for each in deliveries if each in self.deliveries]


async def check(lab: Lab, arrived: Any = None, *, tests: bool = False) -> list[Finding]:
    checker = Checker(arrived or NothingKnown(), NOW.timestamp, 4, tests=tests)
    return await checker.check(lab.registration)


def codes(findings: Sequence[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def attempt(forge: str, number: int, delivery: str, status: int) -> dict[str, Any]:
    if forge == "gitlab":
        return {
            "id": number,
            "url": "https://hooks.test/hooks/h",
            "trigger": "push_hooks",
            "request_headers": {"Idempotency-Key": delivery},
            "response_status": str(status) if status else "internal error",
        }
    return {
        "id": number,
        "guid": delivery,
        "delivered_at": (NOW - timedelta(hours=1)).isoformat().replace("+00:00", "Z"),
        "redelivery": False,
        "duration": 0.1,
        "status": "OK" if status == 202 else "Invalid HTTP Response",
        "status_code": status,
        "event": "push",
        "action": None,
        "installation_id": None,
        "repository_id": 1,
    }


async def installed(open_lab: OpenLab, forge: str) -> tuple[Lab, Kept]:
    lab = await open_lab(forge)
    async for outcome in lab.installer().install():
        assert outcome.error is None
    return lab, lab.there.hooks["owner/name"][0]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_right_hook_is_nothing_to_talk_about(forge: str, open_lab: OpenLab) -> None:
    lab, _ = await installed(open_lab, forge)
    assert await check(lab) == []


@pytest.mark.parametrize("forge", FORGES)
async def test_a_missing_hook_and_one_on_another_host_are_told_apart(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    (finding,) = await check(lab)
    assert (finding.code, "another host" in finding.text) == ("missing", False)
    url = "https://old.test/hooks/h"
    lab.there.add(
        "owner/name", {"url": url} if forge == "gitlab" else {"type": "gitea", "config": {"url": url}}
    )
    (finding,) = await check(lab)
    assert (finding.code, "another host" in finding.text) == ("missing", True)
    assert "hooks install" in finding.text


@pytest.mark.parametrize(
    ("forge", "setting", "code"),
    [
        ("github", {"active": False}, "inactive"),
        ("github", {"events": ["push"]}, "events"),
        ("github", {"insecure_ssl": "1"}, "insecure"),
        ("github", {"insecure_ssl": 1}, "insecure"),
        ("github", {"content_type": "form"}, "content_type"),
        ("gitlab", {"tag_push_events": False}, "events"),
        ("gitlab", {"enable_ssl_verification": False}, "insecure"),
        ("gitlab", {"branch_filter_strategy": "wildcard", "push_events_branch_filter": "main"}, "filter"),
        ("gitea", {"active": False}, "inactive"),
        ("gitea", {"events": ["push", "create"]}, "events"),
        ("gitea", {"branch_filter": "main"}, "filter"),
        ("gitea", {"content_type": "form"}, "content_type"),
    ],
)
async def test_a_wrong_setting_is_found_and_install_mends_it(
    forge: str, setting: dict[str, Any], code: str, open_lab: OpenLab
) -> None:
    lab, kept = await installed(open_lab, forge)
    if set(setting) & {"insecure_ssl", "content_type"}:
        kept.settings["config"] = {**kept.settings["config"], **setting}
    else:
        kept.settings = {**kept.settings, **setting}
    assert codes(await check(lab)) == [code]
    async for outcome in lab.installer().install():
        assert outcome.step is not None
        assert outcome.step.action == "update"
    assert await check(lab) == []


async def test_two_hooks_to_one_address_are_found(open_lab: OpenLab) -> None:
    lab, kept = await installed(open_lab, "github")
    lab.there.add("owner/name", dict(kept.settings))
    assert codes(await check(lab)) == ["double"]


@pytest.mark.parametrize("status", ["disabled", "temporarily_disabled"])
async def test_a_hook_that_gitlab_switched_off_is_found_and_a_test_is_sent_when_asked(
    status: str, open_lab: OpenLab
) -> None:
    lab, kept = await installed(open_lab, "gitlab")
    kept.extra = {"alert_status": status, "disabled_until": "2026-11-24T13:00:00Z"}
    (finding,) = await check(lab)
    assert (finding.code, "--fix" in finding.text) == ("disabled", True)
    assert lab.there.tested == []
    assert codes(await check(lab, tests=True)) == ["disabled", "tested"]
    assert lab.there.tested == [kept.id]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
async def test_what_never_arrived_is_sent_again_and_what_did_is_not(forge: str, open_lab: OpenLab) -> None:
    lab, kept = await installed(open_lab, forge)
    kept.sent = [
        attempt(forge, 9, "d-new", 202),
        attempt(forge, 8, "d-lost", 500),
        attempt(forge, 7, "d-late", 202),
        attempt(forge, 6, "d-late", 502),
        attempt(forge, 5, "d-slow", 504),
        attempt(forge, 4, "d-gone", 0),
        attempt(forge, 3, "d-twice", 500),
        attempt(forge, 2, "d-twice", 202),
    ]
    arrived = Known("h/d-slow")
    (finding,) = await check(lab, arrived)
    assert (finding.code, finding.wrong) == ("redelivered", False)
    assert lab.there.redelivered == [4, 8]
    assert sorted(arrived.asked) == ["h/d-gone", "h/d-lost", "h/d-slow"]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
async def test_a_group_s_hook_is_looked_after_like_a_repository_s(forge: str, open_lab: OpenLab) -> None:
    group = Target("group", "team")
    lab = await open_lab(forge, targets=[group])
    async for outcome in lab.installer().install():
        assert outcome.error is None
    (kept,) = lab.there.hooks["team"]
    kept.sent = [attempt(forge, 2, "d-kept", 202), attempt(forge, 1, "d-lost", 500)]
    assert codes(await check(lab)) == ["redelivered"]
    assert lab.there.redelivered == [1]
    await lab.registration.api.test(group, kept.id)
    assert lab.there.tested == [kept.id]
    assert [outcome.error async for outcome in lab.installer().remove()] == [None]
    assert lab.there.hooks["team"] == []


async def test_a_record_is_asked_by_its_find() -> None:
    async def find(delivery: str) -> object | None:
        return {"h/a": 1}.get(delivery)

    assert list(await KnownBy(find).known(["h/a", "h/b"])) == ["h/a"]


@pytest.mark.parametrize("forge", ["github", "gitlab"])
async def test_a_delivery_that_keeps_failing_is_given_up_and_told(forge: str, open_lab: OpenLab) -> None:
    lab, kept = await installed(open_lab, forge)
    kept.sent = [attempt(forge, 9 - number, "d", 401) for number in range(MOST_ATTEMPTS)]
    findings = await check(lab)
    assert codes(findings) == ["failing", "undelivered"]
    assert "the secret differs" in findings[0].text
    assert lab.there.redelivered == []


async def test_gitlab_is_asked_for_no_more_than_it_takes_a_minute(open_lab: OpenLab) -> None:
    lab, kept = await installed(open_lab, "gitlab")
    kept.sent = [attempt("gitlab", 50 - number, f"d{number}", 500) for number in range(30)]
    findings = await check(lab)
    assert codes(findings) == ["failing", "redelivered", "waiting"]
    assert lab.there.redelivered == [21, 22, 23, 24, 25]


def test_what_is_too_old_or_has_no_id_is_not_asked_for_again() -> None:
    def sent(delivery: str | None, at: datetime | None) -> Sent:
        return Sent(attempt=1, delivery=delivery, answered="500", ok=False, at=at)

    old = sent("old", NOW - timedelta(days=3, minutes=1))
    fresh, undated = sent("fresh", NOW - timedelta(days=2)), sent("undated", None)
    found = undelivered([undated, fresh, sent(None, NOW), old], NOW)
    assert [one.newest.delivery for one in found] == ["fresh", "undated"]


async def test_a_target_that_cannot_be_asked_is_a_finding_and_holds_up_no_other(open_lab: OpenLab) -> None:
    gone = Target("repository", "owner/gone")
    lab = await open_lab("github", targets=[gone, REPOSITORY])
    del lab.there.hooks["owner/gone"]
    findings = await check(lab)
    assert [(one.target, one.code) for one in findings] == [(gone, "unasked"), (REPOSITORY, "missing")]


async def until(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_watch_says_what_changed_once_and_a_hanging_forge_holds_up_no_other(
    open_lab: OpenLab,
) -> None:
    lab, kept = await installed(open_lab, "github")
    slow = await open_lab("gitea")
    slow.there.trouble("GET", "/hooks", *[Trouble(200, seconds=4.0)] * 9)

    @asynccontextmanager
    async def opened() -> AsyncIterator[Sequence[Registration]]:
        held = slow.registration
        other = Registration(
            name="slow", url=held.url, api=held.api, targets=held.targets, secret_files=held.secret_files
        )
        yield [other, lab.registration]

    watch = HookWatch(opened, Checker(NothingKnown(), NOW.timestamp, 2), 0.05, NOW.timestamp)

    def looks() -> int:
        return sum(request[1].endswith("/hooks") and request[0] == "GET" for request in lab.there.requests)

    with capture_logs() as logs:
        await watch.start()
        try:
            await until(lambda: "h" in watch.status())
            kept.settings = {**kept.settings, "active": False}
            await until(lambda: watch.status()["h"].findings)
            seen = looks()
            await until(lambda: looks() > seen + 2)
            kept.settings = {**kept.settings, "active": True}
            await until(lambda: not watch.status()["h"].findings)
            assert "slow" not in watch.status()
        finally:
            await watch.stop()
    said = [(line["event"], line["log_level"], line.get("code")) for line in logs if line["hook"] == "h"]
    assert said == [
        ("hook_right", "info", None),
        ("hook_wrong", "warning", "inactive"),
        ("hook_right_again", "info", "inactive"),
    ]

"""One right hook at each place, with a secret that was on disk before the forge knew it."""

import stat
import time
from pathlib import Path

import pytest

from hookfetch.config import read_secret
from hookfetch.core.errors import ConfigurationError
from hookfetch.core.ports import HookOptions
from hookfetch.forges import configured_forge, load_forges
from hookfetch.forges.api.values import Target
from hookfetch.hooks.secret_files import new_secret, write_secret
from hookfetch.server.door.house import Limits
from hookfetch.server.http import HttpServer
from hookfetch.server.ingress import Hook, Ingress
from hookfetch.spool import SegmentSpool
from tests.forges.api.standin import Trouble
from tests.hooks.conftest import REPOSITORY, OpenLab

FORGES = ["github", "gitlab", "gitea"]
THEIRS = {
    "github": {"config": {"url": "https://other.test/hooks/h", "content_type": "form"}, "active": False},
    "gitlab": {"url": "https://other.test/hooks/h", "push_events": False},
    "gitea": {"type": "gitea", "config": {"url": "https://other.test/hooks/h", "content_type": "form"}},
}


def actions(outcomes: object) -> list[object]:
    assert isinstance(outcomes, list)
    return [outcome.error or (outcome.step and outcome.step.action) for outcome in outcomes]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_hook_is_made_as_it_should_be_and_a_second_run_changes_nothing(
    forge: str, open_lab: OpenLab
) -> None:
    lab = await open_lab(forge)
    assert actions(await lab.install()) == ["create"]
    (found,) = await lab.registration.api.hooks(REPOSITORY)
    assert (found.url, found.active, found.json, found.verifies_tls) == (
        lab.registration.url,
        True,
        True,
        True,
    )
    assert found.events == lab.registration.api.events
    assert found.branch_filter is None
    file = lab.registration.secret_files[0]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert lab.there.hooks["owner/name"][0].secret == read_secret(file, "h")
    before = lab.there.writes()
    assert actions(await lab.install()) == ["keep"]
    assert lab.there.writes() == before


@pytest.mark.parametrize("forge", FORGES)
async def test_what_the_forge_signs_is_accepted_by_the_ingress(
    forge: str, open_lab: OpenLab, tmp_path: Path
) -> None:
    lab = await open_lab(forge)
    assert actions(await lab.install()) == ["create"]
    kept = lab.there.hooks["owner/name"][0]
    known = configured_forge(load_forges()[forge], HookOptions())
    secret = read_secret(lab.registration.secret_files[0], "h")
    spool = SegmentSpool(tmp_path / "spool", 10_000_000)
    ingress = Ingress({"h": Hook(name="h", forge=known, secrets=(secret,))}, spool, time.time, 100_000)
    door = HttpServer(ingress, "127.0.0.1:0", Limits())
    await spool.open()
    await door.start()
    try:
        kept.settings = {
            **kept.settings,
            **_at(forge, f"http://127.0.0.1:{door.port}/hooks/h", kept.settings),
        }
        assert await lab.there.send(lab.session, kept) == 202
        kept.settings = {**kept.settings, **_with_secret(forge, kept.settings)}
        assert await lab.there.send(lab.session, kept) == 401
    finally:
        await door.stop()
        await spool.close()


def _at(forge: str, url: str, settings: dict[str, object]) -> dict[str, object]:
    config = settings.get("config")
    return {"url": url} if forge == "gitlab" else {"config": {**config, "url": url}}  # type: ignore[dict-item]


def _with_secret(forge: str, settings: dict[str, object]) -> dict[str, object]:
    if forge == "gitlab":
        return {"signing_token": new_secret("signing")}
    return {"config": {**settings["config"], "secret": "another"}}  # type: ignore[dict-item]


@pytest.mark.parametrize("forge", FORGES)
async def test_the_secret_is_on_disk_before_the_forge_is_told(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    lab.there.trouble("POST", "/hooks", Trouble(422))
    (outcome,) = await lab.install()
    assert outcome.error is not None
    assert read_secret(lab.registration.secret_files[0], "h")
    first = lab.registration.secret_files[0].read_text()
    assert actions(await lab.install()) == ["create"]
    assert lab.registration.secret_files[0].read_text() == first


@pytest.mark.parametrize("forge", FORGES)
async def test_a_hook_that_was_made_though_the_forge_said_502_is_taken_not_doubled(
    forge: str, open_lab: OpenLab
) -> None:
    lab = await open_lab(forge)
    lab.there.trouble("POST", "/hooks", Trouble(502, after=True))
    assert actions(await lab.install()) == ["create"]
    assert len(lab.there.hooks["owner/name"]) == 1
    assert actions(await lab.install()) == ["keep"]


@pytest.mark.parametrize("forge", FORGES)
async def test_nothing_that_belongs_to_others_is_touched(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    theirs = lab.there.add("owner/name", dict(THEIRS[forge]))
    await lab.install()
    await lab.remove()
    assert lab.there.hooks["owner/name"] == [theirs]
    assert theirs.settings == THEIRS[forge]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_hook_that_posts_here_already_is_taken_over_with_our_secret(
    forge: str, open_lab: OpenLab
) -> None:
    lab = await open_lab(forge)
    old = dict(THEIRS[forge])
    lab.there.add("owner/name", {**old, **_at(forge, lab.registration.url, old)})
    (outcome,) = await lab.install()
    assert actions([outcome]) == ["replace" if forge == "gitea" else "update"]
    (found,) = await lab.registration.api.hooks(REPOSITORY)
    assert (found.active, found.json, found.events >= lab.registration.api.events) == (True, True, True)
    assert lab.there.hooks["owner/name"][0].secret == read_secret(lab.registration.secret_files[0], "h")
    assert actions(await lab.install()) == ["keep"]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_second_hook_to_the_same_address_is_removed(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    await lab.install()
    kept = lab.there.hooks["owner/name"][0]
    lab.there.add("owner/name", dict(kept.settings))
    assert actions(await lab.install()) == ["keep", "delete"]
    assert lab.there.hooks["owner/name"] == [kept]


async def test_our_hook_follows_a_new_public_url_and_a_strangers_does_not(open_lab: OpenLab) -> None:
    before = await open_lab("github", url="https://old.test/hooks/h")
    await before.install()
    stranger = before.there.add("owner/name", {"config": {"url": "https://stranger.test/hooks/h"}})
    moved = type(before.registration)(
        **{name: getattr(before.registration, name) for name in before.registration.__slots__}
        | {"url": "https://new.test/hooks/h"}
    )
    before.registration = moved
    assert actions(await before.install()) == ["update"]
    assert [kept.url for kept in before.there.hooks["owner/name"]] == [moved.url, stranger.url]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_dry_run_tells_all_and_changes_nothing(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    assert actions(await lab.install(dry_run=True)) == ["create"]
    assert lab.there.writes() == []
    assert not lab.registration.secret_files[0].exists()
    await lab.install()
    before = lab.there.writes()
    assert actions(await lab.remove(dry_run=True)) == ["delete"]
    assert lab.there.writes() == before


@pytest.mark.parametrize("forge", FORGES)
async def test_a_secret_is_rotated_in_two_steps_and_the_old_file_stays(forge: str, open_lab: OpenLab) -> None:
    lab = await open_lab(forge)
    await lab.install()
    old, new = lab.registration.secret_files
    first = read_secret(old, "h")
    told = lab.there.writes()
    assert lab.installer().rotate() == new
    assert lab.there.writes() == told
    assert actions(await lab.install()) == ["replace" if forge == "gitea" else "update"]
    (kept,) = lab.there.hooks["owner/name"]
    assert kept.secret == read_secret(new, "h") != first
    assert read_secret(old, "h") == first
    assert actions(await lab.install()) == ["keep"]
    with pytest.raises(ConfigurationError, match=r"hook\.secret_files"):
        lab.installer().rotate()


def test_an_existing_secret_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("precious\n")
    with pytest.raises(ConfigurationError, match="File exists"):
        write_secret(path, "other")
    assert path.read_text() == "precious\n"
    assert list(tmp_path.iterdir()) == [path]


async def test_a_gitlab_without_signing_tokens_gets_a_plain_one_and_one_hook(open_lab: OpenLab) -> None:
    lab = await open_lab("gitlab")
    lab.there.signs = False
    assert actions(await lab.install()) == ["create"]
    (kept,) = lab.there.hooks["owner/name"]
    secret = read_secret(lab.registration.secret_files[0], "h")
    assert kept.settings["token"] == secret
    assert not secret.startswith("whsec_")
    assert actions(await lab.install()) == ["keep"]


async def test_a_signing_token_that_was_there_before_is_kept_and_the_line_says_so(open_lab: OpenLab) -> None:
    lab = await open_lab("gitlab")
    lab.there.signs = False
    write_secret(lab.registration.secret_files[0], new_secret("signing"))
    (outcome,) = await lab.install()
    assert outcome.error is not None
    assert "no signing tokens" in outcome.error
    assert lab.there.hooks["owner/name"] == []
    assert lab.registration.secret_files[0].exists()


@pytest.mark.parametrize("forge", ["github", "gitlab"])
async def test_groups_get_a_hook_too_and_a_bad_target_holds_up_no_other(
    forge: str, open_lab: OpenLab
) -> None:
    targets = [Target("repository", "owner/gone"), Target("group", "team"), REPOSITORY]
    lab = await open_lab(forge, targets=targets)
    del lab.there.hooks["owner/gone"]
    first, *rest = await lab.install()
    assert first.error is not None
    assert "404" in first.error
    assert actions(rest) == ["create", "create"]
    assert [len(lab.there.hooks[path]) for path in ("team", "owner/name")] == [1, 1]


@pytest.mark.parametrize("forge", FORGES)
async def test_a_hook_that_somebody_removed_is_made_again_and_removed_only_once(
    forge: str, open_lab: OpenLab
) -> None:
    lab = await open_lab(forge)
    await lab.install()
    lab.there.hooks["owner/name"].clear()
    assert actions(await lab.install()) == ["create"]
    assert actions(await lab.remove()) == ["delete"]
    assert lab.there.hooks["owner/name"] == []
    assert await lab.remove() == []

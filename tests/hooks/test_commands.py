"""`hookfetch hooks` as a user types it."""

import asyncio
import json
from pathlib import Path

import pytest

from hookfetch.bootstrap import open_registrations
from hookfetch.config import load_config
from hookfetch.core.errors import ConfigurationError
from tests.forges.api.standin import TOKEN, StandIn, Trouble, stand_in
from tests.support.commands import run


async def hookfetch(*arguments: str) -> tuple[int, str, str]:
    done = await asyncio.to_thread(run, "hooks", *arguments)
    return done.returncode, done.stdout, done.stderr


def configure(folder: Path, there: StandIn, *, public_url: str = "https://hooks.test/base/") -> str:
    (folder / "token").write_text(TOKEN + "\n")
    file = folder / "hookfetch.toml"
    file.write_text(
        f"""
state_dir = "state"
[ingress]
public_url = "{public_url}"
[[hook]]
name = "h"
forge = "github"
secret_files = ["h.secret"]
[hook.api]
token_file = "token"
url = "{there.address}"
repositories = ["owner/name"]
"""
    )
    return str(file)


async def test_install_check_list_and_remove(tmp_path: Path) -> None:
    async with stand_in("github") as there:
        there.hooks["owner/name"] = []
        file = configure(tmp_path, there)
        code, out, _ = await hookfetch("check", "--json", "--config", file)
        assert (code, json.loads(out)["code"]) == (1, "missing")
        code, out, _ = await hookfetch("install", "--dry-run", "--config", file)
        assert (code, out) == (0, "h  owner/name  would create  there is none\n")
        assert there.writes() == []
        code, out, err = await hookfetch("install", "--config", file)
        assert (code, out, err) == (0, "h  owner/name  create  there is none\n", "")
        assert there.hooks["owner/name"][0].url == "https://hooks.test/base/hooks/h"
        assert (tmp_path / "h.secret").exists()
        assert await hookfetch("check", "--config", file) == (0, "", "")
        there.hooks["owner/name"][0].settings["active"] = False
        code, out, _ = await hookfetch("list", "--json", "--config", file)
        assert (code, json.loads(out)["state"]) == (0, "it is switched off")
        code, out, _ = await hookfetch("check", "--fix", "--config", file)
        assert (code, "update" in out) == (0, True)
        code, out, _ = await hookfetch("remove", "--json", "--config", file)
        assert (code, json.loads(out)["action"]) == (0, "delete")
        assert there.hooks["owner/name"] == []
        assert TOKEN not in out


async def test_a_failure_ends_with_1_and_no_token_is_shown(tmp_path: Path) -> None:
    async with stand_in("github") as there:
        there.trouble("GET", "/hooks", Trouble(403))
        code, out, err = await hookfetch("install", "--config", configure(tmp_path, there))
    assert code == 1
    assert "admin:repo_hook" in out
    assert TOKEN not in out + err
    assert not (tmp_path / "h.secret").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("public_url", "#"), "ingress.public_url"),
        (('"token"', '"none"'), "api.token_file"),
        (("repositories", "# "), "name repositories or groups"),
        (('"owner/name"', '"owner/../name"'), "hook.0.api.repositories"),
        (('"owner/name"', '"name"'), "hook.0.api.repositories"),
        (('url = "http://127.0.0.1', 'url = "http://forge.test'), "hook.0.api.url"),
        (('"github"', '"gerrit"'), "has no API"),
        (('"github"\n', '"gitea"\n'), "groups"),
    ],
)
async def test_a_configuration_that_cannot_be_used_is_one_line(
    tmp_path: Path, change: tuple[str, str], words: str
) -> None:
    there = StandIn("github")
    there.address = "http://127.0.0.1:9"
    file = changed(Path(configure(tmp_path, there)), change)
    with pytest.raises(ConfigurationError) as raised:
        async with open_registrations(load_config(file), patience=1.0):
            pass
    assert "\n" not in str(raised.value)
    assert words in str(raised.value)


async def test_a_configuration_that_cannot_be_used_ends_with_2(tmp_path: Path) -> None:
    there = StandIn("github")
    there.address = "http://127.0.0.1:9"
    file = changed(Path(configure(tmp_path, there)), ("public_url", "#"))
    code, _, err = await hookfetch("list", "--config", str(file))
    assert (code, err.count("\n")) == (2, 1)
    assert "ingress.public_url" in err
    code, _, err = await hookfetch("list", "--hook", "other", "--config", configure(tmp_path, there))
    assert code == 2
    assert "other" in err


def changed(file: Path, change: tuple[str, str]) -> Path:
    text = file.read_text()
    assert change[0] in text
    if change[1].startswith('"gitea"'):
        text = text.replace("repositories", 'groups = ["g"]\nrepositories')
    file.write_text(text.replace(*change))
    return file

"""A configuration is right, or one line says what is wrong with it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from hookfetch.config import Config, load_config, read_secret
from hookfetch.config.caches import SourceCacheConfig
from hookfetch.core.errors import ConfigurationError

GOOD = """
state_dir = "state"
[[hook]]
name = "forge"
forge = "github"
secret_files = ["hook.secret"]
[[project]]
name = "p"
path = "project"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "hookfetch.toml"
    path.write_text(text)
    return path


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert config.state_dir == tmp_path / "state"
    assert config.hook[0].secret_files == (tmp_path / "hook.secret",)
    assert config.project[0].path == tmp_path / "project"


def test_source_caches_are_none_or_a_url_or_tables_whose_files_start_at_the_file(tmp_path: Path) -> None:
    def caches(text: str) -> tuple[SourceCacheConfig, ...]:
        return load_config(write(tmp_path, GOOD + text)).project[0].source_cache

    assert caches("") == ()
    assert caches("source_cache = 'http://c:1'") == (SourceCacheConfig(url="http://c:1", type="all"),)
    index, storage = caches(
        "[[project.source_cache]]\nurl = 'https://i'\ntype = 'index'\naccess_token_file = 't'\n"
        "[[project.source_cache]]\nurl = 'https://s'\ntype = 'storage'\nca_file = '/ca'\n"
    )
    assert (index.access_token_file, index.is_index, index.is_storage) == (tmp_path / "t", True, False)
    assert (storage.ca_file, storage.is_index, storage.is_storage) == (Path("/ca"), False, True)


def test_the_environment_is_set_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKFETCH_BUS__URL", "amqp://from-env/")
    config = load_config(write(tmp_path, GOOD + '[bus]\nurl = "amqp://from-file/"\nconfirm_timeout = 3.0\n'))
    assert (config.bus.url, config.bus.confirm_timeout) == ("amqp://from-env/", 3.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("state_dir = [", ["is not TOML"]),
        ("[ingress]\nlisten = 'nowhere'", ["ingress.listen", "match"]),
        ("[ingress]\nlissten = '127.0.0.1:1'", ["ingress.lissten", "not permitted"]),
        ("[sweep]\ninterval_least = 0", ["sweep.interval_least", "greater than 0"]),
        ("[sweep]\ninterval_least = 1e6", ["sweep", "interval_most is less than interval_least"]),
        ("[[hook]]\nname = 'sweep'\nforge = 'github'\nsecret_files = ['x']", ["hook.0.name", "taken"]),
        (
            2 * "[[upstream]]\nhost = 'a'\nuser = 'u'\npassword_file = 'x'\n",
            ["upstream", "'a' has two accounts"],
        ),
        ("[[hook]]\nname = 'h'\nforge = 'github'", ["hook.0.secret_files", "required"]),
        ("[[project]]\nname = '../p'\npath = 'x'", ["project.0.name"]),
        (
            GOOD + "[[project.source_cache]]\nurl = 'https://i'\ntype = 'index'",
            ["source_cache", "no storage"],
        ),
        (GOOD + "source_cache = [{url = 'https://c', push = false}]", ["source_cache", "no index"]),
        (GOOD + "source_cache = [{url = 'http://c', access_token_file = 't'}]", ["source_cache", "https://"]),
        (GOOD + "source_cache = [{url = 'https://c', key_file = 'k'}]", ["belong together"]),
        (GOOD + "source_cache = 'cache.example.org:50051'", ["source_cache.0.url", "match"]),
        (GOOD + "[[project]]\nname = 'p'\npath = 'x'", ["project", "'p' is used twice"]),
        (
            "[bus]\nurl = 'amqp://h/'\n[engine]\ndeadline = 1501",
            ["engine.deadline", "at most 1500", "bus.consumer_timeout"],
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_file_key_and_reason(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as raised:
        load_config(path)
    line = str(raised.value)
    assert "\n" not in line
    for word in [str(path), *words]:
        assert word in line


@pytest.mark.parametrize(
    "bus", ["", "[bus]\nurl = 'amqp://h/'\nconsumer_timeout = 10800\n"], ids=["no broker", "a patient broker"]
)
def test_a_job_may_take_as_long_as_nobody_takes_it_back(tmp_path: Path, bus: str) -> None:
    config = load_config(write(tmp_path, f"{GOOD}{bus}[engine]\ndeadline = 9000\n"))
    assert config.engine.deadline == 9000


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_config(tmp_path / "none.toml")


@pytest.mark.parametrize("content", ["", "\n", None])
def test_an_empty_or_missing_secret_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigurationError, match="hook h"):
        read_secret(path, "hook h")


def test_a_secret_keeps_all_but_its_last_newline(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text(" s3cr3t \n")
    assert read_secret(path, "hook h") == " s3cr3t "


def test_every_key_is_documented_and_nothing_else() -> None:
    text = (Path(__file__).parent.parent / "docs/configuration.md").read_text()
    documented = set(re.findall(r"^\| `([a-z0-9_.]+)` \|", text, flags=re.MULTILINE))
    assert documented == set(_keys(Config, ""))


def _keys(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        inner = [kind for kind in (field.annotation, *get_args(field.annotation)) if isinstance(kind, type)]
        rows = [each for kind in get_args(field.annotation) for each in get_args(kind)]
        inner += [kind for kind in rows if isinstance(kind, type)]
        sections = [kind for kind in inner if issubclass(kind, BaseModel)]
        if sections:
            yield from _keys(sections[0], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"

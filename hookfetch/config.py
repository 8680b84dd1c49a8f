"""The configuration as values: TOML in, frozen models out, one line for what is wrong.

Secrets stand in files of their own, whose paths the configuration holds, or in the environment:
`HOOKFETCH_BUS__URL` and the like are set before the file's keys.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hookfetch.core.errors import ConfigurationError

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Listen = Annotated[str, Field(pattern=r"^(\[[0-9a-fA-F:]+\]|[^\s:]+):\d{1,5}$")]
ROLES = ("ingress", "coordinator", "worker", "gateway")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class IngressConfig(_Section):
    """Where forges post to. `max_body` and `spool_max` are bytes (GitHub sends up to 25 MB)."""

    listen: Listen = "127.0.0.1:8080"
    max_body: Annotated[int, Field(gt=0)] = 25 * 1024 * 1024
    spool_max: Annotated[int, Field(gt=0)] = 1024**3


class GrpcConfig(_Section):
    """Where clients connect to."""

    listen: Listen = "127.0.0.1:50052"


class BusConfig(_Section):
    """In-process without a URL. `url_file` keeps a broker's password out of this file."""

    url: str | None = None
    url_file: Path | None = None
    confirm_timeout: Annotated[float, Field(gt=0)] = 10.0

    def broker_url(self) -> str | None:
        """Return the AMQP URL, or None for the in-process bus; ConfigurationError when unreadable."""
        if self.url_file is None:
            return self.url
        return read_secret(self.url_file, "bus.url_file")


class SweepConfig(_Section):
    """How often every followed repository is asked, in seconds, and how many at once."""

    interval: Annotated[float, Field(gt=0)] = 300.0
    concurrency: Annotated[int, Field(gt=0, le=64)] = 8
    timeout: Annotated[float, Field(gt=0)] = 20.0


class EngineConfig(_Section):
    """Warm BuildStream processes. `deadline` is a job's, in seconds; a process is replaced
    after `recycle_after` jobs."""

    processes: Annotated[int, Field(gt=0, le=32)] = 2
    deadline: Annotated[float, Field(gt=0, lt=1800)] = 1200.0
    recycle_after: Annotated[int, Field(gt=0)] = 1000


class RetryConfig(_Section):
    """An element that fails is tried again after `first` seconds, doubled up to `most`;
    after `attempts` failures in a row it is set aside for `quarantine` seconds."""

    first: Annotated[float, Field(gt=0)] = 5.0
    most: Annotated[float, Field(gt=0)] = 600.0
    attempts: Annotated[int, Field(gt=0)] = 5
    quarantine: Annotated[float, Field(gt=0)] = 86400.0


class HookConfig(_Section):
    """A hook is `/hooks/<name>`. Each file holds one secret; a GitLab signing token starts with `whsec_`."""

    name: Name
    forge: str
    secret_files: Annotated[tuple[Path, ...], Field(min_length=1)]


class ProjectConfig(_Section):
    """A checked-out BuildStream project and the cache its sources go to (URL of a server
    with index and storage; without one, updates are announced as not cached)."""

    name: Name
    path: Path
    source_cache: str | None = None
    options: dict[str, str] = {}
    targets: tuple[str, ...] = ("**.bst",)


class Config(BaseSettings):
    """Everything that `serve` reads."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="HOOKFETCH_", env_nested_delimiter="__"
    )

    state_dir: Path
    ingress: IngressConfig = IngressConfig()
    grpc: GrpcConfig = GrpcConfig()
    bus: BusConfig = BusConfig()
    sweep: SweepConfig = SweepConfig()
    engine: EngineConfig = EngineConfig()
    retry: RetryConfig = RetryConfig()
    hook: tuple[HookConfig, ...] = ()
    project: tuple[ProjectConfig, ...] = ()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return where values come from: the environment, then the file."""
        return env_settings, init_settings

    @field_validator("hook", "project")
    @classmethod
    def _names_are_unique(cls, value: tuple[HookConfig | ProjectConfig, ...]) -> object:
        seen: set[str] = set()
        for item in value:
            if item.name in seen:
                raise ValueError(f"the name {item.name!r} is used twice")
            seen.add(item.name)
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_state_dir(cls, data: object) -> object:
        if isinstance(data, dict) and "state_dir" not in data:
            home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
            return {**data, "state_dir": f"{home}/hookfetch"}
        return data


def load_config(path: Path) -> Config:
    """Return the configuration in `path`; relative paths in it start at its folder.

    ConfigurationError names file, key and reason in one line.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: is not TOML: {error}") from error
    try:
        config = Config(**data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"])) or "(top level)"
        raise ConfigurationError(f"{path}: {key}: {first['msg']}") from error
    return _absolute(config, path.absolute().parent)


def _absolute(config: Config, base: Path) -> Config:
    hooks = tuple(
        hook.model_copy(update={"secret_files": tuple(base / file for file in hook.secret_files)})
        for hook in config.hook
    )
    projects = tuple(item.model_copy(update={"path": base / item.path}) for item in config.project)
    bus = config.bus
    if bus.url_file is not None:
        bus = bus.model_copy(update={"url_file": base / bus.url_file})
    return config.model_copy(
        update={"state_dir": base / config.state_dir, "hook": hooks, "project": projects, "bus": bus}
    )


def read_secret(path: Path, key: str) -> str:
    """Return a secret file's text without its last newline; ConfigurationError when empty or unreadable."""
    try:
        text = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {key}: the secret cannot be read: {error}") from error
    if not text:
        raise ConfigurationError(f"{path}: {key}: the secret is empty")
    return text

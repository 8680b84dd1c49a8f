"""The whole configuration: TOML in, frozen models out, one line for what is wrong.

`HOOKFETCH_BUS__URL` and the like, from the environment, are set before the file's keys.
"""

import os
import tomllib
from pathlib import Path

from pydantic import ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hookfetch.config.access import CallerConfig
from hookfetch.config.feeds import FeedsConfig
from hookfetch.config.releases import ReleasesConfig
from hookfetch.config.sections import (
    BusConfig,
    EngineConfig,
    GrpcConfig,
    HookCheckConfig,
    HookConfig,
    IngressConfig,
    OriginalsConfig,
    ProjectConfig,
    RetryConfig,
    SweepConfig,
    UpstreamConfig,
)
from hookfetch.core.errors import ConfigurationError

ROLES = ("ingress", "coordinator", "worker", "gateway")
# Seconds that a worker may hold a job beside its deadline: a process starts, or is busy with a load, and
# the broker confirms.
_HELD_BESIDE = 300.0


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
    feeds: FeedsConfig = FeedsConfig()
    engine: EngineConfig = EngineConfig()
    originals: OriginalsConfig = OriginalsConfig()
    retry: RetryConfig = RetryConfig()
    releases: ReleasesConfig = ReleasesConfig()
    hook_check: HookCheckConfig = HookCheckConfig()
    hook: tuple[HookConfig, ...] = ()
    caller: tuple[CallerConfig, ...] = ()
    upstream: tuple[UpstreamConfig, ...] = ()
    project: tuple[ProjectConfig, ...] = ()

    def stores(self) -> dict[str, Path]:
        """Return where the coordinator of each project keeps its store."""
        projects = self.state_dir / "projects"
        return {project.name: projects / project.name / "store.sqlite" for project in self.projects()}

    def projects(self) -> tuple[ProjectConfig, ...]:
        """Return every branch of the configured projects as a project of its own."""
        return tuple(each for project in self.project for each in project.each_branch())

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

    @field_validator("hook", "caller", "project")
    @classmethod
    def _names_are_unique(cls, value: tuple[HookConfig | CallerConfig | ProjectConfig, ...]) -> object:
        seen: set[str] = set()
        for item in value:
            if item.name in seen:
                raise ValueError(f"the name {item.name!r} is used twice")
            seen.add(item.name)
        return value

    @field_validator("upstream")
    @classmethod
    def _hosts_are_unique(cls, value: tuple[UpstreamConfig, ...]) -> tuple[UpstreamConfig, ...]:
        hosts = [upstream.host for upstream in value]
        if len(set(hosts)) < len(hosts):
            raise ValueError(f"the host {max(hosts, key=hosts.count)!r} has two accounts")
        return value

    @model_validator(mode="before")
    @classmethod
    def _default_state_dir(cls, data: object) -> object:
        if isinstance(data, dict) and "state_dir" not in data:
            home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local/state")
            return {**data, "state_dir": f"{home}/hookfetch"}
        return data

    @model_validator(mode="after")
    def _jobs_end_before_the_broker_takes_them_back(self) -> "Config":
        most = self.bus.consumer_timeout - _HELD_BESIDE
        if (self.bus.url or self.bus.url_file) and self.engine.deadline > most:
            raise ValueError(
                f"engine.deadline: with the broker's consumer time-out of {self.bus.consumer_timeout:g} s at"
                f" most {most:g}; longer jobs need a longer consumer_timeout in rabbitmq.conf, and the same"
                " number in bus.consumer_timeout"
            )
        return self


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
        hook.model_copy(
            update={
                "secret_files": tuple(base / file for file in hook.secret_files),
                "api": hook.api and hook.api.model_copy(update={"token_file": base / hook.api.token_file}),
            }
        )
        for hook in config.hook
    )
    projects = tuple(
        item.model_copy(update=_places(item, base) | _caches(item, base)) for item in config.project
    )
    upstreams = tuple(
        item.model_copy(update={"password_file": base / item.password_file}) for item in config.upstream
    )
    callers = tuple(
        item.model_copy(update={"token_files": tuple(base / file for file in item.token_files)})
        for item in config.caller
    )
    pems = {name: getattr(config.grpc, name) for name in ("tls_cert", "tls_key", "client_ca")}
    grpc = config.grpc.model_copy(update={name: base / file for name, file in pems.items() if file})
    pems = {name: getattr(config.originals, name) for name in ("tls_cert", "tls_key")}
    originals = config.originals.model_copy(update={name: base / file for name, file in pems.items() if file})
    files = {name: getattr(config.bus, name) for name in BusConfig.model_fields if name.endswith("_file")}
    bus = config.bus.model_copy(update={name: base / file for name, file in files.items() if file})
    return config.model_copy(
        update={
            "state_dir": base / config.state_dir,
            "grpc": grpc,
            "originals": originals,
            "hook": hooks,
            "caller": callers,
            "upstream": upstreams,
            "project": projects,
            "bus": bus,
        }
    )


def _places(project: ProjectConfig, base: Path) -> dict[str, object]:
    if project.path is not None:
        return {"path": base / project.path}
    repository = project.repository or ""
    if "://" in repository or ":" in repository.partition("/")[0]:  # a URL, or `host:path`
        return {}
    return {"repository": str(base / repository)}


def _caches(project: ProjectConfig, base: Path) -> dict[str, object]:
    return {"source_cache": tuple(cache.below(base) for cache in project.source_cache)}

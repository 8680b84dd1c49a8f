"""The configuration as values: `file` reads it, `sections` are its parts, `secret` what stands in files of
their own."""

from hookfetch.config.feeds import FeedsConfig
from hookfetch.config.file import ROLES, Config, load_config
from hookfetch.config.secret import read_secret, read_secrets
from hookfetch.config.sections import (
    BusConfig,
    EngineConfig,
    HookConfig,
    IngressConfig,
    ProjectConfig,
    SweepConfig,
    UpstreamConfig,
)

__all__ = [
    "ROLES",
    "BusConfig",
    "Config",
    "EngineConfig",
    "FeedsConfig",
    "HookConfig",
    "IngressConfig",
    "ProjectConfig",
    "SweepConfig",
    "UpstreamConfig",
    "load_config",
    "read_secret",
    "read_secrets",
]

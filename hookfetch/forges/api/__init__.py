"""REST APIs of the forges. Unlike the parsers beside it this does I/O, with configured addresses alone."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hookfetch.core.errors import ConfigurationError
from hookfetch.forges.api import gitea, github, gitlab
from hookfetch.forges.api.client import Account, ApiClient
from hookfetch.forges.api.values import HookApi

_APIS: Mapping[str, Callable[[ApiClient], HookApi]] = MappingProxyType(
    {
        "forgejo": gitea.GiteaHooks,
        "gitea": gitea.GiteaHooks,
        "github": github.GitHubHooks,
        "gitlab": gitlab.GitLabHooks,
    }
)


def account_of(forge: str, address: str | None, token: str) -> Account:
    """Return how `forge` is spoken to; ConfigurationError when it has no API here, or no known address."""
    if forge == "github":
        return github.account(address, token)
    if forge == "gitlab":
        return gitlab.account(address, token)
    if forge not in _APIS:
        raise ConfigurationError(f"hook.api: forge {forge!r} has no API here; known are {', '.join(_APIS)}")
    if address is None:
        raise ConfigurationError(
            f"hook.api.url: {forge} has no address of its own: give https://<host>/api/v1"
        )
    return gitea.account(address, token)


def hook_api(forge: str, client: ApiClient) -> HookApi:
    """Return the hooks of a forge that `account_of` knows."""
    return _APIS[forge](client)

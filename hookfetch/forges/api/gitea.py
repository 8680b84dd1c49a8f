"""Gitea's and Forgejo's hooks over REST (v1): of repositories.

Their APIs list no deliveries and repeat none; what a hook missed is found by the sweep alone.
"""

from collections.abc import Sequence

from hookfetch.core.errors import Permanent
from hookfetch.forges.api.client import Account, ApiClient
from hookfetch.forges.api.reading import Fields, names, number, section, text
from hookfetch.forges.api.values import FoundHook, Refused, SecretForm, Sent, Target

_PAGE, _PAGES = {"limit": 50}, 20
_EVERY_BRANCH = "*"


def account(address: str, token: str) -> Account:
    """Return how the instance whose `/api/v1` is `address` is spoken to."""
    return Account(
        forge="Gitea",
        address=address,
        headers={"Authorization": f"token {token}", "Accept": "application/json"},
        needs="the scope write:repository, of an administrator of the repository",
    )


class GiteaHooks:
    """HookApi of Gitea and Forgejo. Editing a hook leaves its secret as it is, so it is replaced instead.

    Whether the sender checks certificates is a setting of the whole instance there.
    """

    events = frozenset({"create", "delete", "push", "release", "repository"})
    kinds = frozenset({"repository"})
    secret_forms: Sequence[SecretForm] = ("plain",)
    replaces_secret = False
    redeliveries = 0

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def hooks(self, target: Target) -> Sequence[FoundHook]:
        """Return all hooks of a repository."""
        return [_hook(item) for item in await self._client.items(_path(target), size=_PAGE, pages=_PAGES)]

    async def create(self, target: Target, url: str, secret: str) -> FoundHook:
        """Return the hook made."""
        config = {"url": url, "content_type": "json", "secret": secret}
        return _hook(
            await self._client.send(
                "POST", _path(target), {"type": "gitea", **self._wanted(), "config": config}
            )
        )

    async def update(self, target: Target, hook: int, url: str, secret: str) -> FoundHook:  # noqa: ARG002 - as said
        """Return the hook as it is now; its secret is the one it was made with."""
        config = {"url": url, "content_type": "json"}
        return _hook(
            await self._client.send("PATCH", _path(target, hook), {**self._wanted(), "config": config})
        )

    async def delete(self, target: Target, hook: int) -> None:
        """Return once there is no such hook."""
        try:
            await self._client.send("DELETE", _path(target, hook))
        except Refused as refused:
            if refused.status != 404:
                raise

    async def test(self, target: Target, hook: int) -> None:
        """Have a push event sent; refused for a repository without commits."""
        await self._client.send("POST", (*_path(target, hook), "tests"))

    async def sent(self, target: Target, hook: int) -> Sequence[Sent]:  # noqa: ARG002 - the API has none
        """Return nothing: the API lists no deliveries."""
        return []

    async def redeliver(self, target: Target, hook: int, attempt: int) -> None:  # noqa: ARG002 - the same
        """Raise Permanent: the API repeats none, and `redeliveries` says so beforehand."""
        raise Permanent(f"{target}: this forge's API sends no delivery again: use the hook's page there")

    def _wanted(self) -> dict[str, object]:
        return {"active": True, "events": sorted(self.events), "branch_filter": _EVERY_BRANCH}


def _path(target: Target, hook: int | None = None) -> tuple[str, ...]:
    owner, _, name = target.path.partition("/")
    start = ("repos", owner, name, "hooks")
    return start if hook is None else (*start, str(hook))


def _hook(item: Fields) -> FoundHook:
    config = section(item, "config")
    pattern = text(item, "branch_filter")
    return FoundHook(
        id=number(item, "id"),
        url=text(config, "url") or "",
        active=item.get("active") is True,
        json=config.get("content_type") == "json",
        verifies_tls=True,
        events=names(item, "events"),
        branch_filter=None if pattern == _EVERY_BRANCH else pattern,
    )

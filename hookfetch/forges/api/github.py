"""GitHub's hooks over REST (API version 2022-11-28): of repositories and organisations."""

from collections.abc import Sequence
from datetime import datetime

from hookfetch.forges.api.client import Account, ApiClient
from hookfetch.forges.api.reading import Fields, names, number, section, text
from hookfetch.forges.api.values import FoundHook, Refused, SecretForm, Sent, Target

ADDRESS = "https://api.github.com"
_PAGE = {"per_page": 100}
_HOOK_PAGES, _SENT_PAGES = 10, 10


def account(address: str | None, token: str) -> Account:
    """Return how GitHub (or, at `address`, an Enterprise Server's `/api/v3`) is spoken to."""
    return Account(
        forge="GitHub",
        address=address or ADDRESS,
        headers={
            "Authorization": f"Bearer {token}",
            "Accept": "application/vnd.github+json",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        needs="the scope admin:repo_hook (organisations: admin:org_hook), or the fine-grained permission "
        "Webhooks: read and write",
    )


class GitHubHooks:
    """HookApi of GitHub. Deliveries can be repeated for 3 days, with the same id."""

    events = frozenset({"create", "delete", "push", "release", "repository"})
    kinds = frozenset({"repository", "group"})
    secret_forms: Sequence[SecretForm] = ("plain",)
    replaces_secret = True
    redeliveries = 50

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def hooks(self, target: Target) -> Sequence[FoundHook]:
        """Return all hooks of a repository or organisation."""
        return [
            _hook(item) for item in await self._client.items(_path(target), size=_PAGE, pages=_HOOK_PAGES)
        ]

    async def create(self, target: Target, url: str, secret: str) -> FoundHook:
        """Return the hook made."""
        return _hook(
            await self._client.send("POST", _path(target), {"name": "web", **self._wanted(url, secret)})
        )

    async def update(self, target: Target, hook: int, url: str, secret: str) -> FoundHook:
        """Return the hook as it is now. The secret always goes along: an update without it removes it."""
        return _hook(await self._client.send("PATCH", _path(target, hook), self._wanted(url, secret)))

    async def delete(self, target: Target, hook: int) -> None:
        """Return once there is no such hook."""
        try:
            await self._client.send("DELETE", _path(target, hook))
        except Refused as refused:
            if refused.status != 404:
                raise

    async def test(self, target: Target, hook: int) -> None:
        """Have a ping sent."""
        await self._client.send("POST", (*_path(target, hook), "pings"))

    async def sent(self, target: Target, hook: int) -> Sequence[Sent]:
        """Return the newest thousand attempts, newest first."""
        path = (*_path(target, hook), "deliveries")
        items = await self._client.items(path, size=_PAGE, pages=_SENT_PAGES, all_of_them=False)
        return [_sent(item) for item in items]

    async def redeliver(self, target: Target, hook: int, attempt: int) -> None:
        """Have the delivery of `attempt` sent again."""
        await self._client.send("POST", (*_path(target, hook), "deliveries", str(attempt), "attempts"))

    def _wanted(self, url: str, secret: str) -> dict[str, object]:
        config = {"url": url, "content_type": "json", "insecure_ssl": "0", "secret": secret}
        return {"active": True, "events": sorted(self.events), "config": config}


def _path(target: Target, hook: int | None = None) -> tuple[str, ...]:
    owner, _, name = target.path.partition("/")
    start = ("repos", owner, name, "hooks") if target.kind == "repository" else ("orgs", owner, "hooks")
    return start if hook is None else (*start, str(hook))


def _hook(item: Fields) -> FoundHook:
    config, last = section(item, "config"), section(item, "last_response")
    code = last.get("code")
    failed = isinstance(code, int) and code >= 400
    return FoundHook(
        id=number(item, "id"),
        url=text(config, "url") or "",
        active=item.get("active") is True,
        json=config.get("content_type") == "json",
        verifies_tls=str(config.get("insecure_ssl", "0")) == "0",
        events=names(item, "events"),
        last_failure=f"{code} {text(last, 'message') or ''}".strip() if failed else None,
    )


def _sent(item: Fields) -> Sent:
    code = number(item, "status_code")
    at = text(item, "delivered_at")
    return Sent(
        attempt=number(item, "id"),
        delivery=text(item, "guid"),
        answered=f"{code or ''} {text(item, 'status') or ''}".strip(),
        ok=200 <= code < 300,
        at=_time(at) if at else None,
    )


def _time(written: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return at if at.tzinfo else None

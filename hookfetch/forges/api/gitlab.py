"""GitLab's hooks over REST (v4): of projects and groups."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hookfetch.forges.api.client import Account, ApiClient
from hookfetch.forges.api.reading import Fields, number, section, text
from hookfetch.forges.api.values import FoundHook, Refused, SecretForm, SecretFormRefused, Sent, Target
from hookfetch.forges.signatures import SIGNING_TOKEN_PREFIX

ADDRESS = "https://gitlab.com/api/v4"
_PAGE, _HOOK_PAGES = {"per_page": 100}, 10
_SENT_PAGE, _SENT_PAGES = {"per_page": 20}, 10
_DISABLED = MappingProxyType({"disabled": "for good", "temporarily_disabled": "until {until}"})


def account(address: str | None, token: str) -> Account:
    """Return how gitlab.com, or the instance whose `/api/v4` is `address`, is spoken to."""
    return Account(
        forge="GitLab",
        address=address or ADDRESS,
        headers={"PRIVATE-TOKEN": token},
        needs="the scope api and the role Maintainer (groups: Owner, and a paid tier)",
    )


class GitLabHooks:
    """HookApi of GitLab. Deliveries can be repeated for 7 days, five a minute, with the same id."""

    events = frozenset({"push_events", "releases_events", "tag_push_events"})
    kinds = frozenset({"repository", "group"})
    secret_forms: Sequence[SecretForm] = ("signing", "plain")
    replaces_secret = True
    redeliveries = 5

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    async def hooks(self, target: Target) -> Sequence[FoundHook]:
        """Return all hooks of a project or group."""
        return [
            _hook(item) for item in await self._client.items(_path(target), size=_PAGE, pages=_HOOK_PAGES)
        ]

    async def create(self, target: Target, url: str, secret: str) -> FoundHook:
        """Return the hook made; SecretFormRefused, and no hook, where a signing token is not known."""
        made = await self._client.send("POST", _path(target), self._wanted(url, secret))
        hook = _hook(made)
        if not _took(made, secret):
            await self.delete(target, hook.id)
            raise _cannot_sign()
        return hook

    async def update(self, target: Target, hook: int, url: str, secret: str) -> FoundHook:
        """Return the hook as it is now; SecretFormRefused where a signing token is not known."""
        changed = await self._client.send("PUT", _path(target, hook), self._wanted(url, secret))
        if not _took(changed, secret):
            raise _cannot_sign()
        return _hook(changed)

    async def delete(self, target: Target, hook: int) -> None:
        """Return once there is no such hook."""
        try:
            await self._client.send("DELETE", _path(target, hook))
        except Refused as refused:
            if refused.status != 404:
                raise

    async def test(self, target: Target, hook: int) -> None:
        """Have a push event sent; one that succeeds switches a disabled hook on again."""
        await self._client.send("POST", (*_path(target, hook), "test", "push_events"))

    async def sent(self, target: Target, hook: int) -> Sequence[Sent]:
        """Return the newest 200 attempts, newest first."""
        path = (*_path(target, hook), "events")
        items = await self._client.items(path, size=_SENT_PAGE, pages=_SENT_PAGES, all_of_them=False)
        return [_sent(item) for item in items]

    async def redeliver(self, target: Target, hook: int, attempt: int) -> None:
        """Have the delivery of `attempt` sent again; refused if the hook's address has changed since."""
        await self._client.send("POST", (*_path(target, hook), "events", str(attempt), "resend"))

    def _wanted(self, url: str, secret: str) -> dict[str, object]:
        form = "signing_token" if secret.startswith(SIGNING_TOKEN_PREFIX) else "token"
        return {
            "url": url,
            form: secret,
            "enable_ssl_verification": True,
            "branch_filter_strategy": "all_branches",
            **dict.fromkeys(sorted(self.events), True),
        }


def _path(target: Target, hook: int | None = None) -> tuple[str, ...]:
    start = ("projects" if target.kind == "repository" else "groups", target.path, "hooks")
    return start if hook is None else (*start, str(hook))


def _took(answer: Fields, secret: str) -> bool:
    # Where signing tokens are unknown or switched off they are ignored without a word.
    return not secret.startswith(SIGNING_TOKEN_PREFIX) or answer.get("signing_token_present") is True


def _cannot_sign() -> SecretFormRefused:
    return SecretFormRefused(
        "this GitLab has no signing tokens: use a secret that does not start with whsec_ (remove the "
        "secret file and install again to have one made)"
    )


def _hook(item: Fields) -> FoundHook:
    disabled = _DISABLED.get(text(item, "alert_status") or "")
    return FoundHook(
        id=number(item, "id"),
        url=text(item, "url") or "",
        active=True,
        json=True,
        verifies_tls=item.get("enable_ssl_verification") is True,
        events=frozenset(name for name, value in item.items() if name.endswith("_events") and value is True),
        branch_filter=_filter(item),
        disabled=disabled.format(until=text(item, "disabled_until") or "later") if disabled else None,
    )


def _filter(item: Fields) -> str | None:
    if item.get("branch_filter_strategy") == "all_branches":
        return None
    return text(item, "push_events_branch_filter")


def _sent(item: Fields) -> Sent:
    status = item.get("response_status")  # a string: "200", or words
    answered = str(status)
    headers: Mapping[str, object] = {
        name.lower(): value for name, value in section(item, "request_headers").items()
    }
    delivery = text(headers, "webhook-id") or text(headers, "idempotency-key")
    ok = len(answered) == 3 and answered.isascii() and answered.isdigit() and answered[0] == "2"
    return Sent(attempt=number(item, "id"), delivery=delivery, answered=answered, ok=ok, at=None)

"""A stand-in for a forge's servers: keeps hooks in memory, signs what it sends, and notes each request and
answer that is not as the forge's published description says."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import aiohttp
from aiohttp import web

from tests.forges.api.described import Description

TOKEN = "the-token-of-the-tests"
DAY = "2026-11-24T10:00:00Z"
_AUTHORIZATION = {
    "github": ("Authorization", f"Bearer {TOKEN}"),
    "gitlab": ("PRIVATE-TOKEN", TOKEN),
    "gitea": ("Authorization", f"token {TOKEN}"),
}


@dataclass
class Kept:
    """A hook as the forge keeps it. `settings` is what was asked for, as it was asked."""

    id: int
    settings: dict[str, Any]
    sent: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.settings.get("url") or self.settings["config"]["url"])

    @property
    def secret(self) -> str:
        settings = self.settings
        return str(settings.get("signing_token") or settings.get("token") or settings["config"]["secret"])


@dataclass(frozen=True)
class Trouble:
    """An answer instead of the proper one; with `after`, only once the request was carried out."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: str = '{"message": "trouble"}'
    after: bool = False
    seconds: float = 0.0


class StandIn:
    """One forge: `github`, `gitlab` or `gitea`, with an address of its own."""

    def __init__(self, forge: str, page: int = 100) -> None:
        self.forge = forge
        self.address = ""
        self.hooks: dict[str, list[Kept]] = {}
        self.requests: list[tuple[str, str]] = []
        self.undescribed: list[str] = []
        self.troubles: dict[tuple[str, str], list[Trouble]] = {}
        self.redelivered: list[int] = []
        self.tested: list[int] = []
        self.signs = True
        self._page = page
        self._next = 100
        self._description = Description(forge)

    def add(self, where: str, settings: dict[str, Any], **extra: Any) -> Kept:
        """Have a hook at `where`, `owner/name` or a group, that nobody asked us for."""
        self._next += 1
        kept = Kept(self._next, settings, extra=extra)
        self.hooks.setdefault(where, []).append(kept)
        return kept

    def trouble(self, method: str, path: str, *troubles: Trouble) -> None:
        """Answer the next requests of `method` to a path that ends in `path` with `troubles`, in turn."""
        self.troubles.setdefault((method, path), []).extend(troubles)

    def writes(self) -> list[tuple[str, str]]:
        return [request for request in self.requests if request[0] != "GET"]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer any request as the forge would."""
        method, path = request.method, request.rel_url.raw_path
        self.requests.append((method, path))
        name, value = _AUTHORIZATION[self.forge]
        if request.headers.get(name) != value:
            return web.json_response({"message": "Bad credentials"}, status=401)
        body = await request.json() if request.can_read_body else None
        query = dict(request.query)
        self.undescribed += self._description.problems_of_request(method, path, query, body)
        trouble = self._trouble(method, path)
        if trouble is not None:
            await asyncio.sleep(trouble.seconds)
            if not trouble.after:
                return web.Response(status=trouble.status, headers=trouble.headers, text=trouble.body)
        status, content, headers = self._act(method, path, query, body)
        if trouble is not None:
            return web.Response(status=trouble.status, headers=trouble.headers, text=trouble.body)
        self.undescribed += self._description.problems_of_answer(method, path, status, content)
        if content is None:
            return web.Response(status=status)
        return web.json_response(content, status=status, headers=headers)

    def _trouble(self, method: str, path: str) -> Trouble | None:
        for (verb, end), troubles in self.troubles.items():
            if verb == method and path.endswith(end) and troubles:
                return troubles.pop(0)
        return None

    def _act(
        self, method: str, path: str, query: dict[str, str], body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        start, _, end = path.partition("/hooks")
        where = unquote(start.partition("/")[2].partition("/")[2])
        parts = end.strip("/").split("/") if end.strip("/") else []
        hooks = self.hooks.get(where)
        if hooks is None:
            return 404, {"message": "404 Not Found"}, {}
        if not parts:
            if method == "GET":
                return self._listing(path, query, [self._rendered(kept) for kept in hooks])
            return 201, self._rendered(self.add(where, body)), {}
        kept = next((each for each in hooks if each.id == int(parts[0])), None)
        if kept is None:
            return 404, {"message": "404 Not Found"}, {}
        if len(parts) == 1:
            return self._on_hook(method, hooks, kept, body)
        return self._on_deliveries(method, path, query, kept, parts[1:])

    def _on_hook(
        self, method: str, hooks: list[Kept], kept: Kept, body: Any
    ) -> tuple[int, Any, dict[str, str]]:
        if method == "DELETE":
            hooks.remove(kept)
            return 204, None, {}
        if self.forge == "gitea":
            config = {**kept.settings["config"], **body["config"], "secret": kept.secret}
            kept.settings = {**kept.settings, **body, "config": config}
        else:
            kept.settings = {**kept.settings, **body}
        return 200, self._rendered(kept), {}

    def _on_deliveries(
        self, method: str, path: str, query: dict[str, str], kept: Kept, parts: list[str]
    ) -> tuple[int, Any, dict[str, str]]:
        match (method, *parts):
            case ("GET", "deliveries" | "events"):
                return self._listing(path, query, kept.sent)
            case ("POST", "deliveries" | "events", attempt, "attempts" | "resend"):
                self.redelivered.append(int(attempt))
                return (202, {}, {}) if self.forge == "github" else (201, {"response_status": 202}, {})
            case ("POST", "pings" | "tests" | "test", *_):
                self.tested.append(kept.id)
                return (201, {"message": "201 Created"}, {}) if self.forge == "gitlab" else (204, None, {})
        raise AssertionError(f"the stand-in does not know {method} {path}")

    def _listing(self, path: str, query: dict[str, str], items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        key = "cursor" if path.endswith("/deliveries") else "page"
        page = int(query.get(key, "1"))
        size = min(self._page, int(query.get("limit") or query.get("per_page") or "30"))
        shown = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return 200, shown, {}
        rest = "&".join(f"{name}={value}" for name, value in query.items() if name != key)
        return 200, shown, {"Link": f'<{self.address}{path}?{rest}&{key}={page + 1}>; rel="next"'}

    def _rendered(self, kept: Kept) -> dict[str, Any]:
        return {"github": self._github, "gitlab": self._gitlab, "gitea": self._gitea}[self.forge](kept)

    def _github(self, kept: Kept) -> dict[str, Any]:
        settings, here = kept.settings, f"{self.address}/repos/o/r/hooks/{kept.id}"
        return {
            "type": "Repository",
            "id": kept.id,
            "name": "web",
            "active": settings.get("active", True),
            "events": settings.get("events", ["push"]),
            "config": {**settings["config"], "secret": "********"},
            "updated_at": DAY,
            "created_at": DAY,
            "url": here,
            "test_url": f"{here}/test",
            "ping_url": f"{here}/pings",
            "deliveries_url": f"{here}/deliveries",
            "last_response": {"code": None, "status": "unused", "message": None},
            **kept.extra,
        }

    def _gitlab(self, kept: Kept) -> dict[str, Any]:
        shown = {
            name: value for name, value in kept.settings.items() if name not in ("token", "signing_token")
        }
        signing = {"signing_token_present": "signing_token" in kept.settings} if self.signs else {}
        defaults = {"push_events": True, "enable_ssl_verification": True, "alert_status": "executable"}
        return {**defaults, "id": kept.id, "created_at": DAY, **shown, **signing, **kept.extra}

    def _gitea(self, kept: Kept) -> dict[str, Any]:
        config = {name: value for name, value in kept.settings["config"].items() if name != "secret"}
        shown = {"active": False, "events": ["push"], **kept.settings, "config": config}
        return {"id": kept.id, "created_at": DAY, "updated_at": DAY, **shown, **kept.extra}

    async def send(self, session: aiohttp.ClientSession, kept: Kept) -> int:
        """Send a ping or push as the forge signs it, with the secret that it was told; return the answer."""
        body = json.dumps({"zen": "Keep it logically awesome.", "hook_id": kept.id}).encode()
        key, delivery = kept.secret.encode(), str(uuid.uuid4())
        digest = hmac.new(key, body, hashlib.sha256).hexdigest()
        if self.forge == "github":
            headers = {
                "X-GitHub-Event": "ping",
                "X-GitHub-Delivery": delivery,
                "X-Hub-Signature-256": f"sha256={digest}",
            }
        elif self.forge == "gitea":
            headers = {"X-Gitea-Event": "push", "X-Gitea-Delivery": delivery, "X-Gitea-Signature": digest}
        elif "signing_token" in kept.settings:
            now = str(int(time.time()))
            signing = base64.b64decode(kept.secret.removeprefix("whsec_"), validate=True)
            signed = f"{delivery}.{now}.".encode() + body
            signature = base64.b64encode(hmac.digest(signing, signed, "sha256")).decode()
            headers = {
                "webhook-id": delivery,
                "webhook-timestamp": now,
                "webhook-signature": f"v1,{signature}",
            }
        else:
            headers = {"X-Gitlab-Token": kept.secret, "Idempotency-Key": delivery}
        async with session.post(
            kept.url, data=body, headers={**headers, "Content-Type": "application/json"}
        ) as response:
            return response.status


@asynccontextmanager
async def running(
    answer: Callable[[web.Request], Any], address: Callable[[str], None] = lambda _: None
) -> AsyncIterator[str]:
    """Serve `answer` on this machine; yield its address, after telling it to `address`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        address(url)
        yield url
    finally:
        await runner.cleanup()


@asynccontextmanager
async def stand_in(forge: str, page: int = 100) -> AsyncIterator[StandIn]:
    """Yield a running stand-in; at the end, all that was said must have been as described."""
    there = StandIn(forge, page)

    def tell(url: str) -> None:
        there.address = url

    async with running(there.answer, tell):
        yield there
    assert there.undescribed == []

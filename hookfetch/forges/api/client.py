"""Requests to one forge's REST API: bounded in bytes, pages, time and patience.

The token goes to the configured address and nowhere else: no redirect is followed, and a next page
must be on the same host. It is never logged and stands in no error. Three forges share this instead
of a client library each: the libraries for GitHub and GitLab read answers of any size, follow a next
page to whatever host it names, and have no sibling for Gitea.
"""

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.forges.api.answers import error_of, wait_of

MAX_ANSWER = 8 * 1024 * 1024  # bytes
_ATTEMPTS = 3  # of what may be repeated, and of what was refused for its rate
_PAUSE = 0.5  # seconds before the second attempt, doubled for the third


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """How one forge is spoken to: its address, the headers that carry the token, what the token needs."""

    forge: str
    address: str
    headers: Mapping[str, str] = field(repr=False)
    needs: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer: its JSON (None when empty) and the address of the next page."""

    content: Any
    next_page: URL | None


class ApiClient:
    """Asks one forge. `timeout` bounds one request, `patience` the wait for a rate limit, both in seconds."""

    def __init__(
        self, session: aiohttp.ClientSession, account: Account, *, timeout: float, patience: float
    ) -> None:
        self._session = session
        self._account = account
        self._base = URL(account.address.rstrip("/") + "/")
        self._headers = {"User-Agent": "hookfetch", "Accept-Encoding": "identity", **account.headers}
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._patience = patience

    async def items(
        self, path: Sequence[str], *, size: Mapping[str, int], pages: int, all_of_them: bool = True
    ) -> list[Mapping[str, Any]]:
        """Return the objects of a listing, page after page.

        After `pages` pages Permanent is raised if `all_of_them` are needed; else the rest is left.
        """
        url = self._url(path).with_query(dict(size))
        items: list[Mapping[str, Any]] = []
        for _ in range(pages):
            answer = await self._request("GET", url, None, repeats=True)
            if not isinstance(answer.content, list) or not all(
                isinstance(item, dict) for item in answer.content
            ):
                raise Permanent(
                    f"GET {url.path}: {self._account.forge} did not answer with a list of objects"
                )
            items += answer.content
            if answer.next_page is None:
                return items
            url = answer.next_page
        if all_of_them:
            raise Permanent(f"GET {url.path}: more than {len(items)} hooks, which is more than are looked at")
        return items

    async def send(self, method: str, path: Sequence[str], body: object = None) -> Mapping[str, Any]:
        """Return the object that the forge answered with, empty when it answered with none.

        Only DELETE is repeated: of anything else it is not known what came of it.
        """
        answer = await self._request(method, self._url(path), body, repeats=method == "DELETE")
        return answer.content if isinstance(answer.content, dict) else {}

    def _url(self, path: Sequence[str]) -> URL:
        # Each part is quoted whole: GitLab takes `group/project` as one part, with its `/` quoted.
        parts = "/".join(quote(part, safe="") for part in path)
        return URL(str(self._base) + parts, encoded=True)

    async def _request(self, method: str, url: URL, body: object, *, repeats: bool) -> Answer:
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            try:
                wait, answer = await self._once(method, url, body)
            except Temporary:
                if not repeats or last:
                    raise
                await asyncio.sleep(_PAUSE * 2 ** (attempt - 1) * random.uniform(1.0, 1.5))  # noqa: S311 - jitter
                continue
            if answer is not None:
                return answer
            if wait > self._patience or last:
                break
            await asyncio.sleep(wait)
        raise Temporary(
            f"{method} {url.path}: {self._account.forge}'s rate limit is reached: again in {wait:.0f} s"
        )

    async def _once(self, method: str, url: URL, body: object) -> tuple[float, Answer | None]:
        """Return the answer, or the seconds to wait and None."""
        what = f"{method} {url.path}"
        headers = dict(self._headers)
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                content = await self._read(response, what)
                wait = wait_of(response.status, response.headers, time.time())
                next_page = self._next_page(url, response)
                status = response.status
        except TimeoutError as error:
            raise Temporary(
                f"{what}: {self._account.forge} did not answer within {self._timeout.total:.0f} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            # The type, not the text: a client's error may quote the request.
            raise Temporary(
                f"{what}: {self._account.address} cannot be reached ({type(error).__name__})"
            ) from error
        if wait is not None:
            return wait, None
        if not 200 <= status < 300:
            raise error_of(status, content, what, self._account.forge, self._account.needs)
        return 0.0, Answer(self._loaded(content, what), next_page)

    async def _read(self, response: aiohttp.ClientResponse, what: str) -> bytes:
        content = bytearray()
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > MAX_ANSWER:
                response.close()
                raise Permanent(f"{what}: {self._account.forge} answered with more than {MAX_ANSWER} bytes")
        return bytes(content)

    def _loaded(self, content: bytes, what: str) -> Any:
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Permanent(
                f"{what}: {self._account.forge} did not answer with JSON: see hook.api.url"
            ) from error

    def _next_page(self, url: URL, response: aiohttp.ClientResponse) -> URL | None:
        try:
            link = response.links.get("next")
            if link is None:
                return None
            following = URL(str(link["url"]))
            here = following.origin() == self._base.origin()
        except ValueError as error:
            raise Permanent(f"GET {url.path}: the next page's address is none: see hook.api.url") from error
        if not here:
            raise Permanent(f"GET {url.path}: the next page is on another host, which is not given the token")
        return following

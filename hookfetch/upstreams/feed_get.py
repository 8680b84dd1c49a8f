"""One conditional question for a feed: an answer within a time and a size, redirects by the rules for all
upstreams, and what its host says of its limits.
"""

import asyncio
import time
from dataclasses import dataclass

import aiohttp
from yarl import URL

from hookfetch.core.errors import HookfetchError, Permanent, Temporary
from hookfetch.core.files import Validators
from hookfetch.feeds import Document
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.feed_body import Bodies
from hookfetch.upstreams.feed_session import PrivateAddress, proxy_for
from hookfetch.upstreams.head import MAX_VALIDATOR
from hookfetch.upstreams.hosts import TooMuch, too_much, used_up
from hookfetch.upstreams.redirects import MAX_REDIRECTS, follow

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_FOR_GOOD = frozenset({301, 308})  # RFC 9110, 15.4.2 and 15.4.9
_ACCEPT = "application/atom+xml, application/rss+xml, application/json, text/html;q=0.9, */*;q=0.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said: `document` is None where it is the one of the validators that were sent.

    `moved_to`: where the feed is from now on. `rest`: for how many seconds its host takes no more questions.
    """

    document: Document | None
    validators: Validators
    moved_to: str | None = None
    rest: float | None = None


class FeedClient:
    """Asks by `session` as `agent`, with hosts' accounts; each answer within `timeout` seconds."""

    def __init__(
        self, session: aiohttp.ClientSession, accounts: Accounts, *, agent: str, timeout: float
    ) -> None:
        self._session = session
        self._accounts = accounts
        self._headers = {"User-Agent": agent, "Accept": _ACCEPT, "Accept-Encoding": "gzip"}
        self._timeout = timeout
        self._bodies = Bodies()

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def get(self, url: str, validators: Validators | None) -> Answer:
        """Return the document at the http(s) address `url`, if it is another than that of `validators`.

        Permanent when it is refused or gone, or its body is none; TooMuch when the host wants to be left
        alone; Temporary when there is no sensible answer in time. The text never holds an account.
        """
        try:
            address = URL(url)
            place = str(address.with_user(None).with_query(None))
        except ValueError as error:
            raise Permanent("the feed's address cannot be parsed") from error
        try:
            async with asyncio.timeout(self._timeout):
                return await self._ask(self._accounts.sign(address), validators)
        except TimeoutError as error:
            raise Temporary(f"{place}: no complete answer within {self._timeout:g} s") from error
        except TooMuch as error:
            raise TooMuch(f"{place}: {error}", error.seconds) from error
        except HookfetchError as error:
            raise type(error)(f"{place}: {error}") from error
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, PrivateAddress):
                raise Permanent(f"{place}: redirected: {error.os_error}") from error
            raise Temporary(f"{place}: its host's name is not known, or no name server answers") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = " ".join(str(error).split())[:300]
            raise Temporary(f"{place}: {type(error).__name__}: {text}") from error

    async def _ask(self, url: URL, validators: Validators | None) -> Answer:
        headers = self._headers | _conditions(validators)
        for_good: URL | None = url
        for step in range(MAX_REDIRECTS + 1):
            async with self._session.get(
                url, headers=headers, allow_redirects=False, proxy=proxy_for(url)
            ) as response:
                now = time.time()
                if (rest := too_much(response.status, response.headers, now)) is not None:
                    raise rest
                location = response.headers.get("Location")
                if response.status in _REDIRECTS and location is not None:
                    url = follow(url, location)
                    # One that is not for good ends what is: what comes behind it may be another tomorrow.
                    for_good = url if for_good is not None and response.status in _FOR_GOOD else None
                    continue
                return Answer(
                    document=await self._document(response),
                    validators=_validators(response, validators),
                    moved_to=_written(for_good) if step and for_good is not None else None,
                    rest=used_up(response.headers, now),
                )
        raise Permanent(f"redirected more than {MAX_REDIRECTS} times")

    async def _document(self, response: aiohttp.ClientResponse) -> Document | None:
        if response.status == 304:
            return None
        if response.status != 200:
            raise _refusal(response.status)
        encoding = response.headers.get("Content-Encoding")
        body = await self._bodies.read(
            response.content.iter_any(), encoding.strip().lower() if encoding else None
        )
        return Document(
            body=body, content_type=response.headers.get("Content-Type"), url=_written(response.url)
        )


def _refusal(status: int) -> HookfetchError:
    if status == 401:
        return Permanent("401: it asks for a password, or refuses the one of [[upstream]]")
    if status in (403, 404, 410, 451):
        return Permanent(f"{status}: no such feed, or no access to it")
    return Temporary(f"the server answers {status}")


def _conditions(validators: Validators | None) -> dict[str, str]:
    if validators is None:
        return {}
    conditions = {"If-None-Match": validators.etag, "If-Modified-Since": validators.last_modified}
    return {name: value for name, value in conditions.items() if value is not None}


def _validators(response: aiohttp.ClientResponse, sent: Validators | None) -> Validators:
    etag, last_modified = (_bounded(response.headers.get(name)) for name in ("ETag", "Last-Modified"))
    if response.status == 304 and sent is not None:
        # A 304 need not repeat what it confirms (RFC 9110, 15.4.5).
        return Validators(etag=etag or sent.etag, last_modified=last_modified or sent.last_modified)
    return Validators(etag=etag, last_modified=last_modified)


def _bounded(value: str | None) -> str | None:
    return value if value and len(value) <= MAX_VALIDATOR else None


def _written(url: URL) -> str:
    return str(url.with_user(None).with_fragment(None))

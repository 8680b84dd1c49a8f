"""What does a server say of a file, without sending it? One HEAD, or a GET whose body is not read where HEAD
is not known, within a time, redirects by the rules for all upstreams."""

import asyncio
import time

import aiohttp
from yarl import URL

from hookfetch.core.errors import HookfetchError, Permanent, Temporary
from hookfetch.core.files import Validators
from hookfetch.upstreams.hosts import TooMuch, too_much
from hookfetch.upstreams.redirects import MAX_REDIRECTS, follow

MAX_VALIDATOR = 1000  # characters; a longer one is none
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_NO_HEAD = frozenset({403, 405, 501})  # some that sign their addresses do so for GET alone
# As it is: of a copy compressed on the way the ETag is another.
_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity"}


async def validators_of(session: aiohttp.ClientSession, url: URL, timeout: float) -> Validators:
    """Return what is said of the file at `url`, within `timeout` seconds.

    Permanent when it is refused or gone; TooMuch when the host wants to be left alone; Temporary when there
    is no sensible answer in time. The text never holds the URL's credentials.
    """
    place = str(url.with_user(None).with_query(None))
    try:
        async with asyncio.timeout(timeout):
            return await _ask(session, url)
    except TimeoutError as error:
        raise Temporary(f"{place}: no answer within {timeout:g} s") from error
    except TooMuch as error:
        raise TooMuch(f"{place}: {error}", error.seconds) from error
    except HookfetchError as error:
        raise type(error)(f"{place}: {error}") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Temporary(f"{place}: {type(error).__name__}: {' '.join(str(error).split())[:300]}") from error


async def _ask(session: aiohttp.ClientSession, url: URL) -> Validators:
    method = "HEAD"
    for _ in range(MAX_REDIRECTS + 2):  # one more, for the other method
        async with session.request(method, url, headers=_HEADERS, allow_redirects=False) as response:
            rest = too_much(response.status, response.headers, time.time())
            if rest is not None:
                raise rest
            location = response.headers.get("Location")
            if response.status in _REDIRECTS and location is not None:
                url = follow(url, location)
                continue
            if method == "HEAD" and response.status in _NO_HEAD:
                method = "GET"
                continue
            if method == "GET":
                response.close()  # the body stays where it is
            if response.status == 401:
                raise Permanent("401: it asks for a password, or refuses the one of [[upstream]]")
            if response.status in (403, 404, 410, 451):
                raise Permanent(f"{response.status}: no such file, or no access to it")
            if response.status != 200:
                raise Temporary(f"the server answers {response.status}")
            length = response.headers.get("Content-Length", "")
            return Validators(
                etag=_bounded(response.headers.get("ETag")),
                last_modified=_bounded(response.headers.get("Last-Modified")),
                length=int(length) if length.isascii() and length.isdigit() and len(length) < 19 else None,
            )
    raise Permanent(f"redirected more than {MAX_REDIRECTS} times")


def _bounded(value: str | None) -> str | None:
    return value if value and len(value) <= MAX_VALIDATOR else None

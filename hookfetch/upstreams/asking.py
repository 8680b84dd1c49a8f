"""Asks for a repository's refs by the first of its URLs that answers, or for a file, with the host's
account."""

from collections.abc import Mapping, Sequence

import aiohttp
from yarl import URL

from hookfetch.core.errors import HookfetchError, Permanent
from hookfetch.core.files import Validators
from hookfetch.core.observation import RemoteRef
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.head import validators_of
from hookfetch.upstreams.hosts import TooMuch
from hookfetch.upstreams.ls_refs import ls_refs
from hookfetch.upstreams.ls_remote import ls_remote

_MAX_URLS = 3  # spellings of one repository that are tried in turn


class Asking:
    """Questions to upstreams: http(s) by `session`, all else by git; each answer within `timeout` seconds.
    A path of this machine is asked only where it is `own`, the project's repository."""

    def __init__(
        self, session: aiohttp.ClientSession, accounts: Accounts, timeout: float, own: str | None = None
    ) -> None:
        self._own = own
        self._session = session
        self._accounts = accounts
        self._timeout = timeout

    async def refs(self, urls: Sequence[str], prefixes: Sequence[str]) -> Mapping[str, RemoteRef]:
        """Return the refs below any of `prefixes` by the first of `urls` that answers, http(s) before all
        others; what the first one raised when none does, and TooMuch at once."""
        first: HookfetchError | None = None
        for url in sorted(urls, key=lambda url: not _is_http(url))[:_MAX_URLS]:
            try:
                if _is_http(url):
                    return await ls_refs(self._session, self._sign(url), prefixes, self._timeout)
                return await ls_remote(url, prefixes, self._timeout, local=url == self._own)
            except TooMuch:
                raise  # another spelling of the same host would make it worse
            except HookfetchError as error:
                first = first or error
        assert first is not None
        raise first

    async def file(self, url: str) -> Validators:
        """Return what is said of the file at the http(s) address `url`; raises what `validators_of` does."""
        return await validators_of(self._session, self._sign(url), self._timeout)

    def _sign(self, url: str) -> URL:
        try:
            address = URL(url)
        except ValueError as error:
            raise Permanent("a source's URL cannot be parsed") from error
        return self._accounts.sign(address)


def _is_http(url: str) -> bool:
    return url.lower().startswith(("http://", "https://"))

"""Who are we to a git server? A user and a password for each configured host, sent to it alone, and only
where nobody in between can read them: over TLS, or to this machine. Passwords are read from their files
for each question, so that a new one needs no restart, and are never logged.
"""

import ipaddress
from collections.abc import Iterable

from yarl import URL

from hookfetch.config import UpstreamConfig, read_secret


class Accounts:
    """The configured accounts by host (`name` or `name:port`)."""

    def __init__(self, upstreams: Iterable[UpstreamConfig]) -> None:
        self._accounts = {upstream.host: upstream for upstream in upstreams}

    def check(self) -> None:
        """Return if every password can be read; ConfigurationError names the one that cannot."""
        for account in self._accounts.values():
            _password(account)

    def sign(self, url: URL) -> URL:
        """Return `url` with its host's account; as it is when there is none, when it brings a password of
        its own, or when the password could be read on its way. ConfigurationError when the file cannot."""
        account = self._accounts.get(_place(url))
        if account is None or url.password is not None or not _is_private(url):
            return url
        return url.with_user(account.user).with_password(_password(account))


def _password(account: UpstreamConfig) -> str:
    return read_secret(account.password_file, f"upstream {account.host}: password_file")


def _place(url: URL) -> str:
    host = (url.host or "").rstrip(".").lower()
    host = f"[{host}]" if ":" in host else host
    return host if url.is_default_port() else f"{host}:{url.port}"


def _is_private(url: URL) -> bool:
    if url.scheme == "https":
        return True
    host = url.host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

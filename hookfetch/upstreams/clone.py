"""hookfetch's own clone of a project's repository: bare, with the configured branches alone.

The repository is the operator's and may be on this machine. It is only fetched here; work trees of
it are made where they are needed.
"""

import asyncio
import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

from yarl import URL

from hookfetch.core.errors import Permanent, Temporary
from hookfetch.core.repository import RepositoryId, identify
from hookfetch.upstreams.accounts import Accounts
from hookfetch.upstreams.alone import alone_in
from hookfetch.upstreams.git import LOCAL, git

_TIMEOUT = 900.0  # seconds for a first fetch of a long history
_LOCAL_TIMEOUT = 30.0
# A stalled download ends: under a kilobyte a second for half a minute.
_STALLED = {"GIT_HTTP_LOW_SPEED_LIMIT": "1000", "GIT_HTTP_LOW_SPEED_TIME": "30"}


def is_local(repository: str) -> bool:
    """Return whether a configured `repository` is a path of this machine."""
    return repository.startswith("/")


def identity_of(repository: str) -> RepositoryId:
    """Return the identity of a configured repository; one on this machine is `localhost/<path>`."""
    found = identify(f"ssh://localhost{repository}" if is_local(repository) else repository)
    if found is None:
        raise Permanent(f"{repository!r} names no repository")
    return found


class Clone:
    """The clone of `repository` at `directory`, made when it is first asked for. Several processes may
    use one at a time; it is fetched by one of them, and one of its tasks, at a time."""

    def __init__(self, repository: str, folder: Path, accounts: Accounts) -> None:
        self.repository = repository
        self.directory = folder / f"{hashlib.sha256(repository.encode()).hexdigest()[:16]}.git"
        self._accounts = accounts
        self._lock = asyncio.Lock()

    @property
    def place(self) -> str:
        """Return the path of the bare repository."""
        return str(self.directory)

    async def newest(self, branch: str) -> str:
        """Fetch and return the commit that `branch` is at; Temporary when it cannot be fetched."""
        await self._fetch(branch)
        return await self._commit(f"refs/heads/{branch}")

    async def require(self, revision: str, branch: str) -> None:
        """Return once the clone has the commit `revision`, which is or was on `branch`; Temporary when it
        cannot be had."""
        try:
            await self._commit(f"{revision}^{{commit}}")
        except Temporary:
            await self._fetch(branch)
            await self._commit(f"{revision}^{{commit}}")

    async def _commit(self, name: str) -> str:
        try:
            found = await self._git("rev-parse", "--verify", "--quiet", "--end-of-options", name)
        except Temporary as error:
            raise Temporary(f"the clone of {self.repository} has no {name}") from error
        return found.decode("ascii").strip()

    async def _fetch(self, branch: str) -> None:
        async with self._lock:
            try:
                async with alone_in(self.directory, _TIMEOUT) as mark:
                    await self._fetch_marked(branch, mark)
            except Temporary as error:
                raise Temporary(f"{self.repository} cannot be fetched: {error}") from error

    async def _fetch_marked(self, branch: str, mark: Mapping[str, str]) -> None:
        if not (self.directory / "HEAD").exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            await self._git("init", "--bare", "--quiet")
        fetch = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self.repository]
        await git(
            [*fetch, f"+refs/heads/{branch}:refs/heads/{branch}"],
            _TIMEOUT,
            options=[f"--git-dir={self.directory}", "-c", "gc.autoDetach=false"],
            environment={**self._environment(), **mark},
        )

    def _environment(self) -> Mapping[str, str]:
        if is_local(self.repository):
            return LOCAL
        if not self.repository.lower().startswith(("http://", "https://")):
            return _STALLED
        signed = self._accounts.sign(URL(self.repository))
        if signed.password is None or URL(self.repository).password is not None:
            return _STALLED
        # In the environment, which only this user can read, and for this host alone.
        account = base64.b64encode(f"{signed.user}:{signed.password}".encode()).decode()
        return {
            **_STALLED,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{signed.origin()}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {account}",
        }

    async def _git(self, *arguments: str) -> bytes:
        return await git(arguments, _LOCAL_TIMEOUT, options=[f"--git-dir={self.directory}"])

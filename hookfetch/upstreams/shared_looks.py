"""One question to a repository for all projects that have the same one at the same time: the branches of a
distribution follow much the same upstreams. Nobody is told what is older than their question.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from hookfetch.core.errors import HookfetchError
from hookfetch.core.observation import RemoteRef
from hookfetch.core.repository import RepositoryId
from hookfetch.core.tracking import covering
from hookfetch.upstreams.hosts import Hosts

MAX_PREFIXES = 100  # more than these are asked for by their first two parts

# The URLs of a repository and the prefixes of refs in, the refs out.
Ask = Callable[[Sequence[str], Sequence[str]], Awaitable[Mapping[str, RemoteRef]]]


@dataclass(slots=True, eq=False)
class _Question:
    """A question of its asker's, who answers it to all that have joined. Before it has begun there are no
    `prefixes`: they are what all want by then."""

    urls: Sequence[str]
    answer: asyncio.Future[Mapping[str, RemoteRef]]
    prefixes: tuple[str, ...] | None = None


class SharedLooks:
    """The questions of a process, paced by `hosts`."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self._wanted: dict[RepositoryId, dict[object, Sequence[str]]] = {}
        self._open: dict[RepositoryId, list[_Question]] = {}

    async def refs(
        self,
        asker: object,
        repository: RepositoryId,
        urls: Sequence[str],
        prefixes: Sequence[str],
        ask: Ask,
        *,
        anew: bool,
    ) -> Mapping[str, RemoteRef]:
        """Return the refs below any of `prefixes`, and maybe others; raises as `ask` does. With `anew` no
        question serves that has begun. `asker` wants these prefixes until it calls `forget`."""
        self._wanted.setdefault(repository, {})[asker] = prefixes
        while (question := self._joinable(repository, urls, prefixes, anew)) is not None:
            await asyncio.wait({question.answer})
            if not question.answer.cancelled():  # else its asker has left: somebody else asks
                return question.answer.result()
        return await self._ask(repository, urls, ask)

    def forget(self, asker: object, repository: RepositoryId) -> None:
        """Ask for nothing more in the name of `asker`."""
        wanted = self._wanted.get(repository, {})
        wanted.pop(asker, None)
        if not wanted:
            self._wanted.pop(repository, None)

    def _joinable(
        self, repository: RepositoryId, urls: Sequence[str], prefixes: Sequence[str], anew: bool
    ) -> _Question | None:
        for question in self._open.get(repository, ()):
            if question.urls != urls:
                continue
            if question.prefixes is None:
                return question
            if not anew and covering((*question.prefixes, *prefixes)) == question.prefixes:
                return question
        return None

    async def _ask(self, repository: RepositoryId, urls: Sequence[str], ask: Ask) -> Mapping[str, RemoteRef]:
        question = _Question(urls, asyncio.get_running_loop().create_future())
        self._open.setdefault(repository, []).append(question)
        try:
            async with self.hosts.turn(repository.partition("/")[0]):
                wanted = self._wanted.get(repository, {}).values()
                question.prefixes = _few(prefix for prefixes in wanted for prefix in prefixes)
                refs = await ask(urls, question.prefixes)
        except HookfetchError as error:
            question.answer.set_exception(error)
            question.answer.exception()  # it may be that nobody has joined
            raise
        except BaseException:
            question.answer.cancel()
            raise
        finally:
            questions = self._open[repository]
            questions.remove(question)
            if not questions:
                del self._open[repository]
        question.answer.set_result(refs)
        return refs


def _few(prefixes: Iterable[str]) -> tuple[str, ...]:
    found = covering(prefixes)
    if len(found) > MAX_PREFIXES:
        # `refs/heads/` and the like: more than is needed, but in a short question.
        found = covering(_two_parts(prefix) for prefix in found)
    return found


def _two_parts(prefix: str) -> str:
    parts = prefix.split("/", 2)
    return prefix if len(parts) < 3 else f"{parts[0]}/{parts[1]}/"

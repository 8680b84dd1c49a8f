"""What upstreams answer to the questions of the `git_repo` plugin, asked before it asks, and told to it when
it does, failures too, so that one look costs one look. It never judges an answer.

The plugin asks through a pool manager of urllib3 that it makes for each look. This stands in its place for a
thread that `recording` or `replaying` says so of; everybody else goes the plugin's own way.
"""

import io
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import urllib3
from buildstream_plugins_community.sources import _git_utils  # type: ignore[import-untyped]
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError

from hookfetch.engine.fetching.connections import connections_to, place_of

_MOST_BYTES = 64 * 1024 * 1024  # of an answer: a million refs
_HEADERS = ("Content-Type", "WWW-Authenticate")  # what dulwich reads of an answer
_VERSION_2 = b"version 2"
_GREETING = "/info/refs?service=git-upload-pack"

_MANAGER = "default_urllib3_manager"
_plugins_own = getattr(_git_utils, _MANAGER)
_here = threading.local()

_Question = tuple[str, str, bytes | None]  # method, URL, body
Record = dict[_Question, "Answer"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to a question, or why nothing was."""

    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    url: str = ""
    failure: HTTPError | None = None

    def told(self) -> urllib3.HTTPResponse:
        """Return it as urllib3 would; its failure is raised."""
        if self.failure is not None:
            raise self.failure
        return urllib3.HTTPResponse(
            io.BytesIO(self.body), self.headers, self.status, preload_content=False, request_url=self.url
        )


class Greetings:
    """How hosts greet who asks for refs: the same for all their repositories, so who was greeted once asks
    for the next one's refs at once."""

    def __init__(self) -> None:
        self._known: dict[str, Answer] = {}

    def of(self, url: str) -> Answer | None:
        """Return the greeting at `url`, None if its host's is not known."""
        known = self._known.get(place_of(url))
        return None if known is None else replace(known, url=url)

    def learn(self, url: str, answer: Answer) -> None:
        """Remember an answer if it is a greeting of protocol version 2, which tells no refs, and of nowhere
        else than asked."""
        asked = (url, urllib3.util.parse_url(url).request_uri)  # as urllib3 tells it
        if answer.status == 200 and answer.url in asked and _VERSION_2 in answer.body[:100]:
            self._known[place_of(url)] = answer

    def forget(self, url: str) -> None:
        """Have the next look at the host begin with its greeting."""
        self._known.pop(place_of(url), None)


class Recorder:
    """Asks, and keeps the `answers`; `remembered` if a greeting was not asked for."""

    def __init__(self, greetings: Greetings) -> None:
        self.answers: Record = {}
        self.headers: dict[str, str] = {}  # urllib3's name, as `request`
        self.remembered = False
        self._greetings = greetings

    def request(self, method: str, url: str, *, body: Any = None, **how: Any) -> urllib3.HTTPResponse:
        """Ask, or remember."""
        greeted = method == "GET" and url.endswith(_GREETING)
        answer = self._greetings.of(url) if greeted else None
        if answer is not None:
            self.remembered = True
        else:
            answer = _asked(method, url, body, how)
            if greeted:
                self._greetings.learn(url, answer)
        self.answers[method, url, body] = answer
        return answer.told()


def _asked(method: str, url: str, body: Any, how: dict[str, Any], *, again: bool = True) -> Answer:
    manager = connections_to(url)
    how["headers"] = {**manager.headers, **how.get("headers", {})}
    try:
        response = manager.request(method, url, body=body, **how)
        try:
            content = response.read(_MOST_BYTES + 1)
        except BaseException:
            response.close()
            raise
    except HTTPError as error:
        if again and _was_lost(error):  # the plugin, whose connection is new, would not see that
            return _asked(method, url, body, how, again=False)
        return Answer(failure=error)
    if len(content) > _MOST_BYTES:
        response.close()
        return Answer(failure=HTTPError(f"an answer of more than {_MOST_BYTES} bytes"))
    response.release_conn()
    headers = {name: response.headers[name] for name in _HEADERS if name in response.headers}
    return Answer(response.status, headers, content, response.geturl() or url)


def _was_lost(error: HTTPError) -> bool:
    """Return whether a connection was closed without an answer, as one that is kept may be just then."""
    reason = error.reason if isinstance(error, MaxRetryError) else error
    return isinstance(reason, ProtocolError) and isinstance(reason.args[-1], ConnectionError)


class _Replay:
    """Tells what was recorded; asks what was not."""

    def __init__(self, record: Record, manager: Any) -> None:
        self.headers = manager.headers
        self._record = record
        self._manager = manager

    def request(self, method: str, url: str, *, body: Any = None, **how: Any) -> Any:
        answer = self._record.get((method, url, body))
        return self._manager.request(method, url, body=body, **how) if answer is None else answer.told()


@contextmanager
def recording(greetings: Greetings) -> Iterator[Recorder]:
    """Have what this thread asks as the plugin does in a `with` block be kept by what is given."""
    recorder = Recorder(greetings)
    with _instead(lambda _config, **_how: recorder):
        yield recorder


@contextmanager
def replaying(record: Record, sources: Iterable[Any]) -> Iterator[None]:
    """Have the plugins of `git_repo` sources, where they ask in this thread in a `with` block, be told what
    `record` has."""
    for source in sources:
        # BuildStream loads a copy of the plugin's modules for each project.
        type(source).track.__globals__["resolve_ref"].__globals__[_MANAGER] = _manager_of_this_thread
    with _instead(lambda config, **how: _Replay(record, _plugins_own(config, **how))):
        yield


@contextmanager
def _instead(make: Any) -> Iterator[None]:
    _here.make = make
    try:
        yield
    finally:
        del _here.make


def _manager_of_this_thread(config: Any, **how: Any) -> Any:
    return getattr(_here, "make", _plugins_own)(config, **how)


setattr(_git_utils, _MANAGER, _manager_of_this_thread)

"""A worker process: one project kept warm, requests on standard input, replies on standard output.

It leaves, with every process it started, when its input ends, and never outlives its storage
daemon by more than the job at hand.
"""

import os
import queue
import shutil
import sys
import threading
import traceback
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from gzip import BadGzipFile
from http.client import HTTPException
from typing import BinaryIO

import grpc
import urllib3
from dulwich.errors import GitProtocolError
from requests import RequestException

from hookfetch.core.errors import CacheAway, ElementError, HookfetchError, Temporary
from hookfetch.core.supplied import is_supplied
from hookfetch.engine import private_api as bst
from hookfetch.engine.advice import advice, plainly_refused, without_own_timeout
from hookfetch.engine.caching import StaleStorage
from hookfetch.engine.messages import (
    REPLIES,
    REQUESTS,
    Done,
    Load,
    Loaded,
    LookAhead,
    NotLoaded,
    Refused,
    Reply,
    Run,
    Start,
    Tracked,
    Unavailable,
)
from hookfetch.engine.warm import WarmProject
from hookfetch.processes import MARK, end_marked

_MAX_REASON = 1000  # characters
_LEAVE_WITHIN = 3.0  # seconds after the input ended
# A job gives the interpreter away at each of its many system calls, and a thread that looks ahead may keep it
# for so long each time. By Python's own 0.005 s, system calls beside four threads that compute in bursts took
# three to six times as long, and as much processor time.
_SWITCH_INTERVAL = 0.0005  # seconds
_NO_FILE, _OF_CLIENT = "[synthetic node]", "the client's element"  # as BuildStream has it, and as people do
_STORAGE_FAILURES = (*bst.STORAGE_ERRORS, grpc.RpcError)
# What plugins let through of the libraries by which they ask and read what came.
_UPSTREAM_FAILURES = (
    *(RequestException, urllib3.exceptions.HTTPError, HTTPException, GitProtocolError),
    *(ConnectionError, TimeoutError, BadGzipFile, EOFError, zlib.error),
)


class _Line:
    """The supervisor's two pipes, taken away from standard input and output: whatever plugins
    and their children write or read there is not the protocol."""

    def __init__(self) -> None:
        self._requests: BinaryIO = os.fdopen(os.dup(0), "rb")  # not inherited by children
        self._replies: BinaryIO = os.fdopen(os.dup(1), "wb")
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._waiting: queue.SimpleQueue[Start | Load | Run | None] = queue.SimpleQueue()
        self._on_look_ahead: Callable[[LookAhead], None] = _nobody_looks
        self._left = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def requests(self) -> Iterator[Start | Load | Run]:
        while (request := self._waiting.get()) is not None:
            yield request

    def look_ahead_by(self, on_look_ahead: Callable[[LookAhead], None]) -> None:
        """Have requests to look ahead answered by `on_look_ahead`, in the thread that reads them."""
        self._on_look_ahead = on_look_ahead

    def reply(self, message: Reply) -> None:
        self._replies.write(REPLIES.dump_json(message) + b"\n")
        self._replies.flush()

    def left(self) -> None:
        """Say that the main thread has closed what it opened."""
        self._left.set()
        _remove_temporary_files()

    def _read(self) -> None:
        for line in self._requests:
            request = REQUESTS.validate_json(line)
            if isinstance(request, LookAhead):
                self._on_look_ahead(request)
            else:
                self._waiting.put(request)
        self._waiting.put(None)
        # The main thread may be deep in a download that nobody waits for any more.
        if not self._left.wait(_LEAVE_WITHIN):
            end_marked(os.environ[MARK], within=_LEAVE_WITHIN)
            _remove_temporary_files()
            os._exit(1)


def _nobody_looks(request: LookAhead) -> None:
    raise AssertionError(f"out of turn: {request}")


def _remove_temporary_files() -> None:
    # Made for this worker alone. Its supervisor does the same, if it still lives.
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)


def _load(project: WarmProject, revision: str | None) -> Loaded | NotLoaded | Unavailable:
    try:
        return Loaded(project=project.load(revision), shortcut_off=project.shortcut_off)
    except Exception as error:  # noqa: BLE001 - plugins raise anything; all of it is this project's answer
        if told := project.room_made(_reason(error)):
            return Unavailable(reason=told, spent=True)
        if not project.storage_lives:
            return Unavailable(reason="the local storage daemon died", spent=True)
        return NotLoaded(reason=_reason(error))


def _run(project: WarmProject, job: Run, line: _Line) -> Done | Refused | Unavailable:
    try:
        done = project.run(job, lambda refs, spent: line.reply(Tracked(refs=refs, milliseconds=spent)))
        return replace(done, spent=project.storage_is_full)
    except Exception as error:  # noqa: BLE001 - plugins raise more than BuildStream's own errors
        if told := project.room_made(_reason(error)):
            return Unavailable(reason=told, spent=True)
        if not project.storage_lives:
            return Unavailable(reason="the local storage daemon died", spent=True)
        return _judge(error, project, of_client=is_supplied(job.element))


def _judge(error: Exception, project: WarmProject, *, of_client: bool) -> Refused | Unavailable:
    if isinstance(error, ElementError):
        return Refused(reason=project.better_said(_reason(error)))
    if isinstance(error, Temporary):
        return Unavailable(
            reason=_reason(error),
            spent=isinstance(error, StaleStorage),
            cache_away=isinstance(error, CacheAway),
        )
    if isinstance(error, _STORAGE_FAILURES):
        # A full or broken local storage mends with a new process; a broken remote costs a start.
        return Unavailable(reason=f"source cache: {_reason(error)}", spent=True)
    if isinstance(error, (bst.BuildStreamError, *_UPSTREAM_FAILURES)):
        return Refused(reason=_complaint(error, project, of_client=of_client))
    traceback.print_exception(error)
    return Refused(reason=_reason(error), spent=True)


def _complaint(error: Exception, project: WarmProject, *, of_client: bool) -> str:
    said = [_reason(error)]
    # Plugins tell what failed and keep the reason: beside the error, or for their log.
    cause = error.__cause__
    if cause is not None and (not str(cause) or str(cause) not in said[0]):
        said.append(_reason(cause))
    if complaint := project.last_complaint():
        said.append(complaint)
    text = plainly_refused(without_own_timeout(": ".join(said)))
    if of_client:
        text = text.replace(_NO_FILE, _OF_CLIENT)
    words = advice(text, of_client=of_client)
    return f"{text}; {words}" if words else text


def _reason(error: BaseException) -> str:
    text = str(error)
    if isinstance(error, bst.BuildStreamError):
        text = f"{text}: {error.detail}" if error.detail else text
    elif not isinstance(error, HookfetchError):
        text = f"{type(error).__name__}: {text}"
    return " ".join(text.split())[:_MAX_REASON]


def main() -> None:
    """Serve requests until the input ends or this process is spent."""
    sys.setswitchinterval(_SWITCH_INTERVAL)
    line = _Line()
    requests = line.requests()
    start = next(requests, None)
    if start is None:
        line.left()
        return
    assert isinstance(start, Start)
    with WarmProject(start) as project:
        line.look_ahead_by(lambda request: project.look_ahead(request.number, request.element))
        for request in requests:
            assert not isinstance(request, Start)
            reply = (
                _run(project, request, line) if isinstance(request, Run) else _load(project, request.revision)
            )
            line.reply(reply)
            if isinstance(reply, Done | Refused | Unavailable) and reply.spent:
                break
    line.left()

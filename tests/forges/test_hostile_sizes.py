"""Whatever its shape, a body is read or refused within a second of work and four times its size in memory."""

import time
import tracemalloc

import pytest

from hookfetch.core.errors import Rejected
from tests.forges.corpus import FORGES, NEW, delivery

# Every forge finds its event in here, so that each walks the hostile part as far as it reads anything.
HEADERS = {
    "x-github-event": "push",
    "x-gitea-event": "push",
    "x-forgejo-event": "push",
    "x-gogs-event": "push",
    "x-gitee-event": "Push Hook",
    "x-event-key": "repo:push",
}
KINDS = (
    b'"object_kind":"repository_update","type":"batch-ref-updated","eventType":"git.push","trigger":"branch_updated",'
    b'"topic":"git.receive","eventKey":"repo:refs_changed"'
)
MILLION = 1_000_000
MANY = 100_000


def wrapped(value: bytes) -> bytes:
    """Return `value` under every name that some forge reads a list or an object from."""
    names = (
        b"changes",
        b"refs",
        b"refUpdates",
        b"repository",
        b"ref",
        b"commits",
        b"data",
        b"msg",
        b"unread",
    )
    return b"{" + KINDS + b"," + b",".join(b'"%s":%s' % (name, value) for name in names) + b"}"


CHANGE = b'{"ref":"refs/heads/%%07d","before":"%s","after":"%s"}' % (NEW.encode(), NEW.encode())
SHAPES = {
    "nested lists": wrapped(b"[" * 100_000 + b"]" * 100_000),
    "nested objects": wrapped(b'{"repository":' * 100_000 + b"1" + b"}" * 100_000),
    "unclosed": b'{"a":' * 20_000,
    "a million keys": b"{" + KINDS + b"," + b",".join(b'"%d":0' % n for n in range(MILLION)) + b"}",
    "one key many times": b"{" + b",".join([b'"ref":"x"'] * MANY) + b"}",
    "empty lists": wrapped(b"[" + b",".join([b"[]"] * MANY) + b"]"),
    "empty objects": wrapped(b"[" + b",".join([b"{}"] * MANY) + b"]"),
    "small numbers": wrapped(b"[" + b",".join([b"1"] * MANY) + b"]"),
    "a huge number": wrapped(b"9" * MANY),
    "a huge exponent": wrapped(b"1e" + b"9" * 1000),
    "a long text": wrapped(b'"' + b"a" * MANY + b'"'),
    "one wide character": wrapped(b'"' + b"a" * MANY + "😀".encode() + b'"'),
    "escapes": wrapped(b'"' + b"\\u0041" * 20_000 + b'"'),
    "halves of characters": wrapped(b'"' + b"\\ud800" * 3_000 + b'"'),
    "backslashes": wrapped(b'"' + b"\\\\" * 50_000 + b'\\ud800"'),
    "no UTF-8": b'{"a":"' + b"\xff" * MANY + b'"}',
    "a form": b"payload=" + b"%7B%22a%22%3A" * 20_000,
    "a form of plus signs": b"payload=" + b"+" * (3 * MANY),
    "many changes": b'{"object_kind":"repository_update","project":{"web_url":"https://h/r"},"changes":['
    + b",".join(CHANGE % n for n in range(10_000))
    + b"]}",
    "too many changes": wrapped(b"[" + b",".join(CHANGE % n for n in range(10_001)) + b"]"),
    "NUL": wrapped(b'"' + b"\\u0000" * 20_000 + b'"'),
}
MOST_SECONDS = 1.0
MOST_MEMORY = 4.0


def read(name: str, body: bytes) -> int | str:
    try:
        return len(FORGES[name].parse(delivery(HEADERS, body)))
    except Rejected as refusal:
        return refusal.code


@pytest.mark.parametrize("shape", SHAPES)
def test_a_hostile_body_costs_little(shape: str) -> None:
    body = SHAPES[shape]
    for name in sorted(FORGES) if len(body) < 5 * MILLION else ("github", "gitlab"):
        started = time.process_time()
        answer = read(name, body)
        assert time.process_time() - started < MOST_SECONDS, (name, answer)
        tracemalloc.start()
        try:
            read(name, body)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= MOST_MEMORY * len(body), (name, answer, peak / len(body))


@pytest.mark.parametrize("shape", ["nested lists", "nested objects", "unclosed", "no UTF-8"])
def test_a_body_that_is_no_reasonable_json_is_refused_as_such(shape: str) -> None:
    for name in sorted(FORGES):
        assert read(name, SHAPES[shape]) == "body", name


def test_as_many_changes_as_are_allowed_are_read() -> None:
    assert read("gitlab", SHAPES["many changes"]) == 10_000
    assert read("gitlab", SHAPES["too many changes"]) == "forge"

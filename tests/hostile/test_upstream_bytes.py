"""Every reader of what forges and git servers say answers with a value or with its own error, and nothing
else, within a second. The readers of payloads, of the door and of recorded deliveries have such tests beside
their others."""

import asyncio
import base64
import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.core.errors import HookfetchError, Rejected, Temporary
from hookfetch.forges import signatures
from hookfetch.forges.api.answers import error_of, wait_of
from hookfetch.forges.api.gitea import GiteaHooks
from hookfetch.forges.api.github import GitHubHooks
from hookfetch.forges.api.gitlab import GitLabHooks
from hookfetch.forges.api.values import HookApi, Target
from hookfetch.hooks.judging import judge, undelivered
from hookfetch.upstreams.advertisement import Advertisement, LsRefsAnswer
from hookfetch.upstreams.pktline import Mark, Packet
from tests.hostile.inputs import ANY_TEXT, JSON, MUCH, documents, refusal

_OID = b"a" * 40
LINES = (
    b"version 2\n",
    b"# service=git-upload-pack\n",
    b"ls-refs=unborn\n",
    b"object-format=sha256\n",
    b"unborn HEAD symref-target:refs/heads/main\n",
    b"ERR no\x1b[31m\n",
    b"shallow " + _OID + b"\n",
    b"\0",
    *(_OID + rest for rest in (b" refs/heads/main\n", b" refs/tags/1^{}\n", b" refs/tags/1 peeled:" + _OID)),
    _OID + b" capabilities^{}\0x\n",
)
PACKETS = st.lists(st.sampled_from([*Mark, *LINES]) | st.binary(max_size=60), max_size=12)


@pytest.mark.parametrize("reader", [Advertisement, LsRefsAnswer])
@MUCH
@given(packets=PACKETS)
def test_a_server_s_packets_are_refs_or_refused(
    reader: Callable[[tuple[str, ...]], Advertisement | LsRefsAnswer], packets: list[Packet]
) -> None:
    def read() -> None:
        answer = reader(("refs/",))
        for packet in packets:
            answer.take(packet)
        assert all(name.startswith("refs/") for name in answer.finish())

    assert refusal(read, Temporary).isprintable()


SECRETS = st.lists(ANY_TEXT | ANY_TEXT.map("whsec_".__add__) | ANY_TEXT.map("whpk_".__add__), max_size=3)
HEADERS = st.dictionaries(
    st.sampled_from(["authorization", "h", "n", "t", "webhook-id", "webhook-timestamp", "webhook-signature"]),
    ANY_TEXT | st.binary(max_size=30).map(lambda data: "Basic " + base64.b64encode(data).decode()),
    max_size=7,
)
CHECKS: Mapping[str, Callable[[dict[str, str], bytes, list[str]], None]] = {
    "hex": lambda h, b, s: signatures.require_hex_hmac(h, "h", b, s, prefix="sha256="),
    "sha1": lambda h, b, s: signatures.require_hex_hmac(h, "h", b, s, algorithm="sha1"),
    "token": lambda h, _, s: signatures.require_token(h, "h", s),
    "basic": lambda h, _, s: signatures.require_shared_secret(h, None, s),
    "timed": lambda h, _, s: signatures.require_timed_token(h, "h", "t", s, 1.0),
    "ed25519": lambda h, b, s: signatures.require_ed25519(h, "h", "n", b, s),
    "standard": lambda h, b, s: signatures.require_standard_webhook(h, b, s, 1.0),
}


@pytest.mark.parametrize("scheme", CHECKS)
@MUCH
@given(headers=HEADERS, body=st.binary(max_size=40), keys=SECRETS)
def test_a_signature_that_nobody_made_is_rejected_whatever_it_is(
    scheme: str, headers: dict[str, str], body: bytes, keys: list[str]
) -> None:
    # A token that is the secret itself is the one thing that may be right by chance.
    keys = [key for key in keys if all(key not in value for value in headers.values())]
    headers = {name: value for name, value in headers.items() if not value.startswith("Basic")} or headers
    with contextlib.suppress(Rejected):
        CHECKS[scheme](headers, body, keys)
        assert scheme == "basic"  # the password in base64 may be a short secret


class SaysAnything:
    """A forge's API that answers with what it was given."""

    def __init__(self, answers: list[dict[str, Any]]) -> None:
        self._answers = answers

    async def items(self, *_: object, **__: object) -> list[dict[str, Any]]:
        return self._answers

    async def send(self, *_: object, **__: object) -> dict[str, Any]:
        return self._answers[0] if self._answers else {}


APIS: Mapping[str, Callable[[Any], HookApi]] = {
    "github": GitHubHooks,
    "gitlab": GitLabHooks,
    "gitea": GiteaHooks,
}
URLS = st.sampled_from(
    ["https://h.test/hooks/h", "http://[", "https://h.test:port/", "//", "ssh://h/hooks/h"]
)
HOOKS = st.fixed_dictionaries(
    {},
    optional={
        "id": st.integers() | JSON,
        "url": URLS | JSON,
        "config": st.dictionaries(
            st.sampled_from(["url", "content_type", "insecure_ssl"]), URLS | JSON, max_size=3
        )
        | JSON,
        "events": st.lists(JSON, max_size=3) | JSON,
        "active": JSON,
        "branch_filter": JSON,
        "last_response": st.dictionaries(st.sampled_from(["code", "message", "status"]), JSON) | JSON,
        "alert_status": st.sampled_from(["disabled", "temporarily_disabled"]) | JSON,
        "disabled_until": JSON,
        "guid": JSON,
        "status": JSON,
        "status_code": st.integers() | JSON,
        "delivered_at": st.sampled_from(["2026-11-24T10:00:00Z", "2026-11-24", "9999-12-31T23:59:59-23:59"])
        | JSON,
        "request_headers": st.dictionaries(ANY_TEXT | st.just("Webhook-Id"), JSON, max_size=2) | JSON,
        "response_status": JSON,
    },
)


@pytest.mark.parametrize("forge", APIS)
@MUCH
@given(answers=st.lists(HOOKS, max_size=3))
def test_a_forge_s_answers_are_read_and_judged_or_are_one_line(
    forge: str, answers: list[dict[str, Any]]
) -> None:
    target = Target("repository", "owner/name")

    async def ask() -> None:
        api = APIS[forge](SaysAnything(answers))
        with contextlib.suppress(HookfetchError):
            judge("h", target, await api.hooks(target), "https://h.test/hooks/h", api.events)
        with contextlib.suppress(HookfetchError):
            undelivered(await api.sent(target, 1), datetime(2026, 11, 24, tzinfo=UTC))
        with contextlib.suppress(HookfetchError):
            await api.create(target, "https://h.test/hooks/h", "secret")

    asyncio.run(ask())


@MUCH
@given(
    body=documents("message", "error", "errors"),
    status=st.integers(100, 999),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset", "RateLimit-Reset"]),
        ANY_TEXT | st.sampled_from(["0", "1", "99999999999", "-1", "²"]),
    ),
)
def test_a_forge_s_refusal_is_one_line_and_a_bounded_wait(
    body: bytes, status: int, headers: dict[str, str]
) -> None:
    wait = wait_of(status, headers, 1.0)
    assert wait is None or 0 <= wait < 1e12
    assert str(error_of(status, body, "GET /x", "GitHub", "a scope")).isprintable()

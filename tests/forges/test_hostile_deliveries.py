"""Whatever arrives, a forge answers with facts that can be sent on, or refuses. Nothing else."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfetch.core import codec
from hookfetch.core.errors import Rejected
from hookfetch.core.events import UpstreamFact
from hookfetch.forges.vocabulary import KEYS
from tests.forges.corpus import CASES, FORGES, Case, delivery

BRANDS = ("github", "gitea", "forgejo", "gogs", "gitee")
HEADERS = (
    *(f"x-{brand}-{name}" for brand in BRANDS for name in ("event", "signature", "delivery")),
    "x-hub-signature-256",
    "x-gitlab-token",
    "x-gitlab-instance",
    "x-gitlab-event",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "idempotency-key",
    "authorization",
    "x-event-key",
    "x-gitee-timestamp",
    "x-gitee-token",
    "x-harness-signature",
    "x-hub-signature",
    "x-pagure-signature-256",
    "x-payload-nonce",
    "x-payload-signature",
    "x-request-id",
    "x-request-uuid",
    "x-webhook-delivery",
)
EVENTS = ("push", "create", "delete", "release", "repository", "package", "public", "ping", "issues")
# What names the event in a payload, and in headers that are not `x-<brand>-event`.
KINDS = (
    "branch_updated",
    "git.push",
    "git.receive",
    "project.version.update.v2",
    "Push Hook",
    "ref-updated",
    "batch-ref-updated",
    "ref.updated",
    "release.published",
    "repo:push",
    "repo:refs_changed",
    "repository_update",
)
ANY_TEXT = st.text(
    st.characters(codec=None), max_size=40
)  # lone surrogates too, as servers decode headers to
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
ANY_HEADERS = st.dictionaries(
    st.sampled_from(HEADERS), ANY_TEXT | st.sampled_from(EVENTS + KINDS), max_size=8
)
# Milliseconds: no input takes a second.
MUCH = settings(max_examples=100, deadline=1000, suppress_health_check=[HealthCheck.too_slow])

each_forge = pytest.mark.parametrize("name", sorted(FORGES))


def answer(name: str, headers: dict[str, str], body: bytes) -> None:
    facts, refusal = read(name, headers, body)
    for fact in facts:
        assert codec.load_event(codec.dump_event(fact)) == fact
    if refusal:
        assert refusal.code in ("body", "forge")
        assert refusal.reason.isprintable()


def read(name: str, headers: dict[str, str], body: bytes) -> tuple[list[UpstreamFact], Rejected | None]:
    try:
        return FORGES[name].parse(delivery(headers, body)), None
    except Rejected as refusal:
        return [], refusal


@each_forge
@MUCH
@given(
    headers=ANY_HEADERS, body=st.binary(max_size=200), secrets=st.lists(ANY_TEXT, max_size=3), now=st.floats()
)
def test_any_headers_and_bytes_are_refused_for_their_signature(
    name: str, headers: dict[str, str], body: bytes, secrets: list[str], now: float
) -> None:
    if headers.get("x-gitlab-token") in secrets or body.strip().startswith(b'{"test"'):
        return  # a guessed token is a token, and a test connection is not signed
    with pytest.raises(Rejected) as refusal:
        FORGES[name].verify(headers, body, secrets, now)
    assert refusal.value.code == "signature"


@each_forge
@MUCH
@given(headers=ANY_HEADERS, body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(name: str, headers: dict[str, str], body: bytes) -> None:
    answer(name, headers, body)
    FORGES[name].delivery_id(headers, body)


@each_forge
@MUCH
@given(
    event=st.sampled_from(EVENTS + KINDS),
    payload=st.dictionaries(
        st.sampled_from(KEYS),
        st.recursive(
            SCALARS | st.sampled_from(("refs/heads/x", "branch", "a" * 40, "https://h/r")),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
            ),
            max_leaves=12,
        ),
    ),
)
def test_any_object_is_read_or_refused(name: str, event: str, payload: dict[str, Any]) -> None:
    headers = {f"x-{brand}-event": event for brand in BRANDS} | {"x-event-key": event}
    kinds = dict.fromkeys(("object_kind", "type", "topic", "trigger", "eventKey", "eventType"), event)
    answer(name, headers, json.dumps(kinds | payload).encode())


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@settings(max_examples=600, deadline=1000, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), case=st.sampled_from(CASES))
def test_a_real_delivery_with_one_value_exchanged_is_read_or_refused(data: st.DataObject, case: Case) -> None:
    payload = copy.deepcopy(json.loads(case.body))
    interesting = [place for place in places(payload) if place and len(place) < 5]
    *way, last = data.draw(st.sampled_from(interesting))
    parent = payload
    for key in way:
        parent = parent[key]
    parent[last] = data.draw(JSON)
    answer(case.forge, case.headers, json.dumps(payload).encode())


@pytest.mark.parametrize("depth", [50, 900, 1100, 100_000])
@each_forge
def test_a_deeply_nested_body_is_read_or_refused(name: str, depth: int) -> None:
    headers = {f"x-{brand}-event": "issues" for brand in BRANDS}
    answer(name, headers, b'{"object_kind":"issue","a":' + b"[" * depth + b"]" * depth + b"}")

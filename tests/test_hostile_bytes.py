"""Every reader of bytes that were made elsewhere answers with a value or with its own error, and nothing
else, within a second. The readers of forges' payloads, of the door, the spool's records, packets and
recorded deliveries have such tests beside their others."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.rabbitmq.letters import letter_in
from hookfetch.bus.rabbitmq.publisher import EARLIER
from hookfetch.config import load_config, read_secrets
from hookfetch.core import codec
from hookfetch.core.errors import ConfigurationError, HookfetchError, Permanent, Rejected, Temporary
from hookfetch.core.ports import DeadLetter
from hookfetch.dead import content, describe
from hookfetch.forges import signatures
from hookfetch.forges.api.answers import error_of, wait_of
from hookfetch.forges.api.gitea import GiteaHooks
from hookfetch.forges.api.github import GitHubHooks
from hookfetch.forges.api.gitlab import GitLabHooks
from hookfetch.forges.api.values import HookApi, Target
from hookfetch.hooks.judging import judge, undelivered
from hookfetch.hooks.memory import Memory
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.stories import page_place
from hookfetch.spool.progress import load_progress
from hookfetch.upstreams.advertisement import Advertisement, LsRefsAnswer
from hookfetch.upstreams.pktline import Mark, Packet

# Milliseconds: no input takes a second.
MUCH = settings(
    max_examples=50,
    deadline=1000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
ANY_TEXT = st.text(st.characters(codec=None), max_size=30)  # lone surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=8,
)
DEEP = st.sampled_from([b"[" * depth + b"]" * depth for depth in (100, 900, 990, 100_000)])


def documents(*keys: str) -> st.SearchStrategy[bytes]:
    """Return objects with some of `keys`, other JSON, deep JSON, and bytes that are none."""
    objects = st.dictionaries(st.sampled_from(keys), JSON, max_size=len(keys))
    return (objects | JSON).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=60) | DEEP


def refusal(read: Callable[[], object], kind: type[Exception]) -> str:
    """Return the text of the error of this kind with which `read` ends, nothing when it does not."""
    try:
        read()
    except kind as error:
        return str(error)
    return ""


LOADERS: Mapping[str, tuple[Callable[[bytes], object], Sequence[str]]] = {
    "event": (codec.load_event, ("branch_pushed", "release_published", "job_done", "pause_requested")),
    "job": (codec.load_job, ()),
    "record": (codec.load_record, ("ref_updated", "alarm_raised", "epoch_began")),
    "reply": (codec.load_reply, ()),
    "question": (codec.load_question, ("story_asked", "outcomes_asked", "deliveries_asked")),
    "answer": (codec.load_answer, ("accepted", "project_story", "project_outcomes", "element_report")),
}
FIELDS = (
    "id", "project", "element", "epoch", "attempt", "refs", "changes", "at", "ref", "repositories", "facts",
    "delivery_id", "delivery_ids", "reply_to", "records", "events", "jobs", "entries", "ended", "observed_at",
)  # fmt: skip


@pytest.mark.parametrize("kind", LOADERS)
@MUCH
@given(data=st.data())
def test_a_message_of_the_bus_is_read_or_is_permanently_none(kind: str, data: st.DataObject) -> None:
    load, types = LOADERS[kind]
    document = data.draw(documents(*FIELDS))
    if types and data.draw(st.booleans()):
        fields = data.draw(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8))
        document = json.dumps({**fields, "type": data.draw(st.sampled_from(types))}).encode()
    with contextlib.suppress(Permanent):
        load(document)


@MUCH
@given(
    data=st.fixed_dictionaries(
        {
            "id": st.just("a") | JSON,
            "origin": st.just("delivery") | JSON,
            "reason": st.just("r") | JSON,
            "attempts": st.just(1) | JSON,
            "failed_at": st.just(1.0) | JSON,
            "body": st.just("aGk=") | JSON,
        }
    ).map(lambda fields: json.dumps(fields).encode())
    | documents("id", "body")
)
def test_a_dead_letter_s_file_is_a_letter_or_passed_over(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    for letter in DeadLetterFolder(tmp_path).letters():
        json.dumps([str(describe(letter)), content(letter)])


@MUCH
@given(
    body=documents("type", "id", "delivery_id"),
    origin=st.sampled_from(["delivery", "project:p", "jobs", "?"]),
)
def test_any_dead_letter_is_described_and_shown(body: bytes, origin: str) -> None:
    letter = DeadLetter(id="h/1", origin=origin, reason="r", attempts=1, failed_at=1.0, body=body)
    json.dumps([describe(letter).reason, content(letter)])


# Separated by `~`, in the order of any luck.
_TOML = (
    "[[hook]]\n~[hook.api]\n~[ingress]\n~[bus]\n~[[project]]\n~[[project.policy]]\n~name = ~forge = ~path = ~"
    'secret_files = ~listen = ~url = ~keep_days = ~policy = ~elements = ~allow_from = ~"h"\n~[]\n~["a"]\n~'
    '-1\n~nan\n~1e999\n~{}\n~true\n~1979-05-27\n~\'\'\'~\x00~"0.0.0.0/0"\n~["[z-a]"]\n'
)


class Arrived:
    """A message as the broker gave it."""

    def __init__(self, headers: dict[str, Any]) -> None:
        self.headers, self.body, self.message_id = headers, b"", None


@MUCH
@given(
    headers=st.dictionaries(
        st.sampled_from(["id", "origin", "reason", "attempts", "failed-at", EARLIER]), JSON, max_size=6
    ),
    deaths=JSON | st.lists(st.dictionaries(st.sampled_from(["queue", "reason", "time"]), JSON), max_size=2),
)
def test_any_message_among_the_dead_letters_is_a_letter(headers: dict[str, Any], deaths: Any) -> None:
    letter = letter_in(Arrived({**headers, "x-death": deaths}))  # type: ignore[arg-type]  # what is read of one
    json.dumps([describe(letter).reason, content(letter)])


TOML = st.sampled_from([*_TOML.split("~"), "9" * 5000 + "\n", "[" * 2000])


@MUCH
@given(text=st.lists(TOML, max_size=12).map("".join) | st.text(max_size=60), tail=st.binary(max_size=4))
def test_a_configuration_is_read_or_is_one_line(tmp_path: Path, text: str, tail: bytes) -> None:
    file = tmp_path / "hookfetch.toml"
    file.write_bytes(text.encode("utf-8", "replace") + tail)
    assert "\n" not in refusal(lambda: load_config(file), ConfigurationError)


@MUCH
@given(data=st.binary(max_size=40), more=st.none() | st.binary(max_size=10))
def test_secret_files_are_read_or_are_one_line_without_the_secret(
    tmp_path: Path, data: bytes, more: bytes | None
) -> None:
    files = (tmp_path / "one", tmp_path / "two")
    files[0].write_bytes(data)
    files[1].unlink(missing_ok=True)
    if more is not None:
        files[1].write_bytes(more)
    said = refusal(lambda: read_secrets(files, "hook h"), ConfigurationError)
    assert len(data) < 4 or repr(data)[2:-1] not in said


@MUCH
@given(
    data=documents("repository owner/name", "hook")
    | st.fixed_dictionaries({"hook": JSON, "written": JSON}).map(
        lambda entry: json.dumps({"repository owner/name": entry}).encode()
    )
)
def test_the_memory_of_hooks_is_read_or_is_one_line(tmp_path: Path, data: bytes) -> None:
    file = tmp_path / "h.json"
    file.write_bytes(data)
    with contextlib.suppress(ConfigurationError):
        Memory.of(file).made(Target("repository", "owner/name"))


@MUCH
@given(data=st.binary(max_size=16))
def test_a_position_s_file_is_a_position_or_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.segment.done").write_bytes(data)
    assert load_progress(tmp_path / "a.segment") >= 0


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


@MUCH
@given(token=ANY_TEXT | st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode()))
def test_a_page_token_is_a_place_or_refused(token: str) -> None:
    with contextlib.suppress(Refused):
        place = page_place(token)
        assert place is None or abs(place[0]) < float("inf")


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

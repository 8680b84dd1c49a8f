"""Every reader of what hookfetch and its operators write answers with a value or with its own error, and
nothing else, within a second: messages, dead letters, configuration, secrets, memories and positions. The
readers of the spool's records have such tests beside their others."""

import base64
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookfetch.bus.dead_letters import DeadLetterFolder
from hookfetch.bus.rabbitmq.letters import letter_in
from hookfetch.bus.rabbitmq.publisher import EARLIER
from hookfetch.config import load_config, read_secrets
from hookfetch.core import codec
from hookfetch.core.errors import ConfigurationError, Permanent
from hookfetch.core.ports import DeadLetter
from hookfetch.dead import content, describe
from hookfetch.forges.api.values import Target
from hookfetch.hooks.memory import Memory
from hookfetch.server.grpc.errors import Refused
from hookfetch.server.grpc.stories import page_place
from hookfetch.spool.progress import load_progress
from tests.hostile.inputs import ANY_TEXT, JSON, MUCH, documents, refusal

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


# Separated by `~`, in the order of any luck.
_TOML = (
    "[[hook]]\n~[hook.api]\n~[ingress]\n~[bus]\n~[[project]]\n~[[project.policy]]\n~name = ~forge = ~path = ~"
    'secret_files = ~listen = ~url = ~keep_days = ~policy = ~elements = ~allow_from = ~"h"\n~[]\n~["a"]\n~'
    '-1\n~nan\n~1e999\n~{}\n~true\n~1979-05-27\n~\'\'\'~\x00~"0.0.0.0/0"\n~["[z-a]"]\n'
)
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


@MUCH
@given(token=ANY_TEXT | st.binary(max_size=30).map(lambda data: base64.b64encode(data).decode()))
def test_a_page_token_is_a_place_or_refused(token: str) -> None:
    with contextlib.suppress(Refused):
        place = page_place(token)
        assert place is None or abs(place[0]) < float("inf")

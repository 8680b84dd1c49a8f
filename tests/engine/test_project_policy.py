"""A project's own policy: `hookfetch.toml`, and its elements' public data. All of it is foreign text."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hookfetch.core.errors import ConfigurationError, Permanent
from hookfetch.core.policy import PolicyKeys, PolicyRule
from hookfetch.engine.project_policy import keys_of, rules_of
from tests.engine.lab import Lab, running


def test_a_project_without_the_file_has_no_rules(tmp_path: Path) -> None:
    assert rules_of(tmp_path) == ()


def test_rules_stand_as_in_the_configuration(tmp_path: Path) -> None:
    text = '[[policy]]\nelements = ["core/*.bst"]\npin = true\nminimum_age = 86400\n'
    (tmp_path / "hookfetch.toml").write_text(text)
    keys = PolicyKeys(pin=True, minimum_age=86400.0)
    assert rules_of(tmp_path) == (PolicyRule(elements=("core/*.bst",), keys=keys),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[policy]\n", "Expected ']]'"),
        ('source_cache = "http://elsewhere"\n', "source_cache: Extra inputs"),
        (
            '[[policy]]\nelements = ["a.bst"]\nsecret_files = ["/etc/shadow"]\n',
            "policy.0.secret_files: Extra",
        ),
        ("[[policy]]\npin = true\n", "policy.0.elements: Field required"),
        ("[[policy]]\nelements = []\n", "policy.0.elements: Tuple should have at least 1"),
        ('[[policy]]\nelements = ["[z-a].bst"]\n', "policy.0.elements: Value error, a set of characters"),
        ('[[policy]]\nelements = ["a.bst"]\ndebounce = -1\n', "policy.0.debounce: Input should be greater"),
        ('[[policy]]\nelements = ["a.bst"]\nminimum_age = inf\n', "policy.0.minimum_age: Input should be"),
        (
            '[[policy]]\nelements = ["a.bst"]\nmoved_tag = "x"\n',
            "policy.0.moved_tag: Input should be 'follow'",
        ),
        ('[[policy]]\nelements = ["a.bst"]\n' * 201, "policy: Tuple should have at most 200"),
        ("# " + "x" * 300_000, "is longer than"),
        ("a = " + "[" * 5000, ""),
    ],
)
def test_a_mistake_in_the_file_is_one_line_with_its_name_and_the_key(
    tmp_path: Path, text: str, says: str
) -> None:
    (tmp_path / "hookfetch.toml").write_text(text)
    with pytest.raises(ConfigurationError) as failure:
        rules_of(tmp_path)
    told = str(failure.value)
    assert told.startswith(f"hookfetch.toml: {says}")
    assert "\n" not in told
    assert len(told) < 400


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.symlink_to("/etc/hostname"),
        lambda path: os.mkfifo(path),
        lambda path: path.mkdir(),
        lambda path: path.write_bytes(b"\xff\xfe"),
    ],
    ids=["link", "pipe", "directory", "bytes"],
)
def test_what_is_no_plain_file_of_text_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "hookfetch.toml")
    with pytest.raises(ConfigurationError, match=r"^hookfetch\.toml: "):
        rules_of(tmp_path)


@pytest.mark.parametrize(
    ("data", "keys", "mistake"),
    [
        (None, None, None),
        ({}, PolicyKeys(), None),
        # BuildStream's YAML has text alone.
        ({"pin": "true", "debounce": "30"}, PolicyKeys(pin=True, debounce=30.0), None),
        ({"pin": "False"}, PolicyKeys(pin=False), None),
        ({"pin": "perhaps"}, None, "pin: Input should be a valid boolean"),
        ({"elements": ["**"]}, None, "elements: Extra inputs are not permitted"),
        ("pin", None, "(top level): Input should be a valid dictionary"),
        (["pin"], None, "(top level): Input should be a valid dictionary"),
    ],
)
def test_an_element_s_own_word_is_heeded_or_said_to_be_wrong(
    data: Any, keys: PolicyKeys | None, mistake: str | None
) -> None:
    found, why = keys_of("a.bst", data)
    assert found == keys
    assert (why is None) == (mistake is None)
    assert why is None or why.startswith(f"a.bst: public: hookfetch: {mistake}")


@pytest.mark.engine
async def test_a_load_tells_the_project_s_policy_and_which_element_s_is_wrong(lab: Lab) -> None:
    def element(name: str, public: Any) -> None:
        lab.write(f"elements/{name}", {"kind": "stack", "public": {"hookfetch": public}})

    element("pinned.bst", {"pin": True})
    element("wrong.bst", {"pin": "perhaps"})
    lab.write("elements/silent.bst", {"kind": "stack"})
    file = lab.project / "hookfetch.toml"
    file.write_text('[[policy]]\nelements = ["**.bst"]\ndebounce = 30\n')
    async with running(lab, None) as bench:
        loaded = await bench.engine.load("lab")
        told = {element.name: (element.policy, element.mistake) for element in loaded.elements}
        assert told.pop("wrong.bst")[1] is not None
        assert told == {"pinned.bst": (PolicyKeys(pin=True), None), "silent.bst": (None, None)}
        assert loaded.policy == (PolicyRule(elements=("**.bst",), keys=PolicyKeys(debounce=30.0)),)

        file.write_text("[[policy]]\nelements = 1\n")
        with pytest.raises(Permanent, match=r"does not load: hookfetch\.toml: policy\.0\.elements: Input"):
            await bench.engine.load("lab")

"""The gRPC contract reads as the style guide has it, says what it means, and breaks no client of the last
release."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet

PROTO = Path(__file__).resolve().parents[1] / "proto"
RELEASED = PROTO / "released/v1.binpb"
BUF = Path(sys.executable).with_name("buf")

# What a client of the last release would stumble over: the file, what stands there, what would in its place,
# and what is said of it.
BREACHES = [
    ("refs.proto", "bool cached = 4;", "bool cached = 14;", 'field "4" with name "cached"'),
    (
        "refs.proto",
        "uint32 page_size = 2;",
        "string page_size = 2;",
        'changed type from "uint32" to "string"',
    ),
    ("refs.proto", "string repository = 4;", "string upstream = 4;", 'from "repository" to "upstream"'),
    ("refs.proto", "optional string ref = 5;", "repeated string ref = 5;", "changed cardinality"),
    ("refs.proto", "KIND_TAG_MOVED = 3;", "KIND_TAG_GONE = 3;", 'from "KIND_TAG_MOVED" to "KIND_TAG_GONE"'),
    ("refs.proto", "    KIND_TAG_DELETED = 4;\n", "", 'enum value "4"'),
    ("refs.proto", "  rpc Get(GetRequest) returns (RefUpdate);\n", "", 'RPC "Get"'),
    ("sources.proto", "returns (stream FetchResponse)", "returns (FetchResponse)", "server streaming"),
    ("sources.proto", "(TrackRequest)", "(FetchRequest)", '"Track"'),
    ("sources.proto", "string element = 2;", "string name = 2;", 'from "element" to "name"'),
    ("jobs.proto", "STATE_HELD = 5;", "STATE_HELD = 15;", 'enum value "5"'),
    ("jobs.proto", "uint32 attempt = 3;", "uint64 attempt = 3;", 'changed type from "uint32" to "uint64"'),
    ("projects.proto", "optional string unhealthy = 5;", "string unhealthy = 5;", "changed cardinality"),
]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(PROTO, tmp_path / "proto", ignore=shutil.ignore_patterns("released")))


def buf(tmp_path: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BUF, *map(str, arguments)],
        timeout=60,
        capture_output=True,
        text=True,
        env={"PATH": os.defpath, "HOME": str(tmp_path), "BUF_CACHE_DIR": str(tmp_path / "cache")},
    )


def test_the_contract_keeps_to_the_style_guide_and_every_call_is_documented(tmp_path: Path) -> None:
    lint = buf(tmp_path, "lint", PROTO)
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


def test_every_message_but_a_request_or_its_response_says_what_it_is(tmp_path: Path) -> None:
    image = tmp_path / "contract.binpb"
    assert buf(tmp_path, "build", PROTO, "-o", image).returncode == 0
    described = FileDescriptorSet.FromString(image.read_bytes())
    ours = [file for file in described.file if file.package == "hookfetch.v1"]
    assert len(ours) > 3
    assert [name for file in ours for name in silent(file)] == []


def silent(file: FileDescriptorProto) -> Iterator[str]:
    """Yield the messages and enums of a file that have no comment."""
    said = {tuple(place.path) for place in file.source_code_info.location if place.leading_comments}

    def of(message: DescriptorProto, path: tuple[int, ...]) -> Iterator[str]:
        if path not in said and not message.name.endswith(("Request", "Response")):
            yield message.name
        for number, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from of(nested, (*path, 3, number))

    for number, message in enumerate(file.message_type):
        yield from of(message, (4, number))
    for number, enum in enumerate(file.enum_type):
        if (5, number) not in said:
            yield enum.name


def test_a_client_of_the_last_release_is_understood_and_understands(tmp_path: Path) -> None:
    breaking = buf(tmp_path, "breaking", PROTO, "--against", RELEASED)
    assert (breaking.returncode, breaking.stdout, breaking.stderr) == (0, "", "")


def test_whatever_would_break_a_client_is_found(tmp_path: Path, copied: Path) -> None:
    for name, there, instead, _ in BREACHES:
        file = copied / "hookfetch/v1" / name
        text = file.read_text()
        assert there in text
        file.write_text(text.replace(there, instead, 1))
    breaking = buf(tmp_path, "breaking", copied, "--against", RELEASED)
    assert breaking.returncode != 0
    assert breaking.stderr == ""
    for name, _, _, said in BREACHES:
        assert [
            line for line in breaking.stdout.splitlines() if name in line and said.lower() in line.lower()
        ]


def test_what_is_added_breaks_nobody(tmp_path: Path, copied: Path) -> None:
    file = copied / "hookfetch/v1/projects.proto"
    text = file.read_text()
    added = text.replace("string name = 1;", "string name = 1;\n  string added = 100;", 1)
    added = added.replace(
        "  rpc List(", "  // Is new.\n  rpc Added(ListProjectsRequest) returns (Project);\n  rpc List("
    )
    assert added != text
    file.write_text(added)
    breaking = buf(tmp_path, "breaking", copied, "--against", RELEASED)
    assert (breaking.returncode, breaking.stdout) == (0, "")

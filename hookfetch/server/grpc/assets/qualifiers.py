"""What the qualifiers of a request ask for, or why they cannot be heeded. Pure.

The names are those of the Remote Asset API's lexicon. A server that cannot heed a qualifier refuses the
request, and names each one (Remote Asset API v1, `Fetch`).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import grpc
from google.rpc import error_details_pb2

from hookfetch.server.grpc.assets import integrity
from hookfetch.server.grpc.assets.integrity import Integrity
from hookfetch.server.grpc.errors import Refused, invalid

GIT = "application/x-git"
MOST = 16
_MOST_VALUE = 1000  # characters
_OF_A_BLOB = frozenset({"resource_type", "checksum.sri"})
_OF_A_DIRECTORY = frozenset({"resource_type", "vcs.branch", "vcs.commit"})
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]{1,127}/[A-Za-z0-9!#$&^_.+-]{1,127}")  # RFC 6838, 4.2
_COMMIT = re.compile(r"[0-9a-f]{40}")
# git-check-ref-format(1), and nothing that begins as an option does.
_BRANCH = re.compile(r"(?![-/.])(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[^\x00-\x20~^:?*\[\\\x7f]+(?<![/.])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted of an address; None of what is left open. `any` is whether anything was said."""

    any: bool
    resource_type: str | None = None
    integrity: Integrity | None = None
    branch: str | None = None
    commit: str | None = None

    @property
    def is_git(self) -> bool:
        """Return whether a repository may be meant."""
        return self.resource_type in (None, GIT)


def of_blob(qualifiers: Iterable[Any]) -> Wanted:
    """Return what the qualifiers of a FetchBlob ask for; Refused (INVALID_ARGUMENT) where they cannot be
    heeded."""
    said = _said(qualifiers, _OF_A_BLOB)
    checksum = said.get("checksum.sri")
    try:
        known = None if checksum is None else integrity.parse(checksum)
    except ValueError as error:
        raise invalid("qualifiers.value", f"checksum.sri {error}") from None
    return Wanted(any=bool(said), resource_type=_resource_type(said), integrity=known)


def of_directory(qualifiers: Iterable[Any]) -> Wanted:
    """Return what the qualifiers of a FetchDirectory ask for; Refused as `of_blob`."""
    said = _said(qualifiers, _OF_A_DIRECTORY)
    branch, commit = said.get("vcs.branch"), said.get("vcs.commit")
    if branch is not None and _BRANCH.fullmatch(branch) is None:
        raise invalid("qualifiers.value", "vcs.branch is no name of a branch")
    if commit is not None and _COMMIT.fullmatch(commit) is None:
        raise invalid("qualifiers.value", "vcs.commit is no full id of a commit: 40 hexadecimal digits")
    return Wanted(any=bool(said), resource_type=_resource_type(said), branch=branch, commit=commit)


def _said(qualifiers: Iterable[Any], heeded: frozenset[str]) -> dict[str, str]:
    given = list(qualifiers)
    if len(given) > MOST:
        raise invalid("qualifiers", f"has at most {MOST}")
    unknown = dict.fromkeys(each.name[:100] for each in given if each.name not in heeded)
    if unknown:
        raise _unsupported(unknown)
    said = {each.name: each.value for each in given}
    if len(said) < len(given):
        raise invalid("qualifiers.name", "must be unique")
    for name, value in said.items():
        if not value or len(value) > _MOST_VALUE:
            raise invalid("qualifiers.value", f"{name} has 1 to {_MOST_VALUE} characters")
    return said


def _unsupported(names: Iterable[str]) -> Refused:
    violations = [
        error_details_pb2.BadRequest.FieldViolation(
            field="qualifiers.name", description=f'"{name}" not supported'
        )
        for name in names
    ]
    text = "; ".join(each.description for each in violations)
    detail = error_details_pb2.BadRequest(field_violations=violations)
    return Refused(grpc.StatusCode.INVALID_ARGUMENT, f"qualifiers.name: {text}", detail)


def _resource_type(said: dict[str, str]) -> str | None:
    value = said.get("resource_type")
    if value is not None and _MEDIA_TYPE.fullmatch(value) is None:
        raise invalid("qualifiers.value", "resource_type is no media type")
    return value

"""Which kinds of sources a client's element may have, and of each the keys, with what they may hold. Pure.

Left out on purpose: kinds that run programs of their own (cargo, ostree, bzr, pip), that read this machine
(local, patch), that read lock files of upstreams; `use-lfs`, whose program connects by itself; `version` and
`version-guess-pattern`, a regular expression that Python would run.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hookfetch.supplied.patterns import (
    Check,
    address,
    base_directory,
    checksum,
    directory,
    git_glob,
    git_name,
    git_ref,
    list_of,
    one_of,
    truth,
)


@dataclass(frozen=True, slots=True)
class Kind:
    """What a source of this kind may say beside `kind`, `url` and `directory`."""

    ref: Check
    keys: Mapping[str, Check]
    submodules: bool = False


_FORMATS = one_of("sha1", "git-describe")

KINDS: Mapping[str, Kind] = {
    "git_repo": Kind(git_ref, {"track": git_glob, "exclude": list_of(git_glob), "ref-format": _FORMATS}),
    "git": Kind(
        git_ref,
        {"track": git_name, "ref-format": _FORMATS, "checkout-submodules": truth},
        submodules=True,
    ),
    "git_tag": Kind(
        git_ref,
        {
            "track": git_name,
            "track-extra": list_of(git_name),
            "track-tags": truth,
            "match": list_of(git_glob),
            "exclude": list_of(git_glob),
            "full-clone": truth,
            "checkout-submodules": truth,
        },
        submodules=True,
    ),
    "tar": Kind(checksum, {"base-dir": base_directory}),
    "zip": Kind(checksum, {"base-dir": base_directory}),
    "remote": Kind(checksum, {"filename": directory, "executable": truth}),
}

COMMON: Mapping[str, Check] = {"url": address, "directory": directory}
MODULE: Mapping[str, Check] = {"url": address, "checkout": truth}

"""The version in a tag, a file's name or a title, and the name before it. Pure; knows spellings alone."""

import re
from dataclasses import dataclass

MAX_NAME = 512  # characters; no forge or file system has longer names of tags or files

# `v1.2`, `lib/v1.2`, `@scope/lib@1.2`, `lib-1.2`, `v4l-utils-1.2`, `GLIB_2_80_1`: before the version stand a
# path, or words that start with a letter, each followed by a separator.
_TAG = re.compile(
    r"(?P<name>(?:.*[/@])?(?:[A-Za-z][A-Za-z0-9+.]*?[-_])*?)"
    r"(?:[vV]\.?)?(?P<version>(?![0-9]+[A-Za-z]+[-_][A-Za-z])[0-9][^/@]*)"
)
# `go1.22`, `tcl9.0.1`, `stable202605`: without a separator only a number with a dot, or a long one, is plain.
_GLUED = re.compile(
    r"(?P<name>(?:.*[/@])?(?:[A-Za-z][A-Za-z0-9+.]*?[-_])*?[A-Za-z]+)(?P<version>[0-9]+\.[0-9][^/@]*|[0-9]{6,8})"
)
# `foo-1.2.tar.xz`, `foo_1.2~beta1.tar.gz`, `v1.2.zip`.
_ARCHIVE = re.compile(
    r"\.(?:tar(?:\.(?:gz|xz|bz2|zst|lz|lzma|Z))?|tgz|tbz2?|txz|tzst|zip|7z|gem|crate|deb|rpm|whl|jar|AppImage)$"
)
_PLATFORM = re.compile(
    r"[-_.](?:x86[-_]64|amd64|aarch64|arm64|armv7|i[3-6]86|powerpc64|ppc64|riscv64|s390x|loongarch64)(?![0-9]).*$"
)
_AFTER_NAME = re.compile(r"[-_ ][vV]?(?=[0-9])")
_BARE = re.compile(r"[vV]?([0-9][0-9._-]*(?:[-.~+]?[A-Za-z]{1,8}[0-9.]*)?)")
_DOTTED = re.compile(r"[0-9]+\.")
_NOT_SOURCE = re.compile(r"[-_.](?:src|sources?|orig|full|vendor(?:ed)?)$")
# What is said of each release is no part of its version: `1.22.2-final`, `NSS_3_112_5_RTM`.
_DONE = re.compile(r"[-_.](?:release|rel|final|stable|rtm|ga)$", re.IGNORECASE)
_DASHED = re.compile(r"[0-9]{1,3}(?:[-_][0-9]+)+")  # a date has dashes of its own: 2019-07-16
# In a title the version is a word of its own, with a dot in it: "foo 1.10 released", "5.7-rc4: mainline".
_TITLE = re.compile(r"(?<![\w.+-])[vV]?([0-9]+(?:\.[0-9]+)+(?:[-.+~_]?[A-Za-z0-9]+)*)(?![\w/])")
_WORDS = frozenset({"release", "releases", "version", "ver", "rel", "r", "v", "tag", "tags", "stable"})


@dataclass(frozen=True, slots=True)
class Spelled:
    """A version and the name before it, which is empty where there is none or where it only says that
    this is a release (`release-1.2`)."""

    name: str
    version: str


def in_tag(tag: str) -> Spelled | None:
    """Return what a tag names, underscores and dashes between numbers as dots (`GLIB_2_80_1` is 2.80.1);
    None where no version is plainly there."""
    if len(tag) > MAX_NAME:
        return None
    found = _TAG.fullmatch(tag) or _GLUED.fullmatch(tag)
    return _spelled(found["name"], found["version"]) if found else None


def version_of(tag: str) -> str | None:
    """Return the version in a tag; None where none is plainly there."""
    found = in_tag(tag)
    return found.version if found else None


def in_file(name: str) -> Spelled | None:
    """Return what a file of an archive is called; None for other files and for names without a version."""
    ending = _ARCHIVE.search(name) if len(name) <= MAX_NAME else None
    if ending is None:
        return None
    stem = _NOT_SOURCE.sub("", _PLATFORM.sub("", name[: ending.start()]))
    bare = _BARE.fullmatch(stem)
    if bare:
        return _spelled("", bare[1])
    starts = list(_AFTER_NAME.finditer(stem))
    if not starts:
        found = _GLUED.fullmatch(stem)
        return _spelled(found["name"], found["version"]) if found else None
    # A name may hold numbers, too: the version of `gtk-4-demo-1.0` is the first part with a dot, and that
    # of `curl-8_5_0` the first part.
    start = next((each for each in starts if _DOTTED.match(stem, each.end())), starts[0])
    return _spelled(stem[: start.start()], stem[start.end() :])


def in_text(title: str) -> str | None:
    """Return the one version in a title; None where there is none, or several that differ."""
    versions = set(_TITLE.findall(title[: 4 * MAX_NAME]))
    return versions.pop() if len(versions) == 1 else None


def _spelled(prefix: str, version: str) -> Spelled:
    name, version = prefix.rstrip("-_/@. "), _DONE.sub("", version)
    if _DASHED.fullmatch(version) or ("." not in version and "-" not in version):
        version = version.replace("_", ".").replace("-", ".")
    return Spelled("" if name.lower() in _WORDS else name, version)

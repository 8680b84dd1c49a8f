"""The version in a release's tag. Pure; knows spellings, not orders: it never says which version is newer."""

import re

# `v1.2`, `lib/v1.2`, `@scope/lib@1.2`, `lib-1.2`, `my_lib-v1.2`, `release/2024-05`: what stands before the
# version is a path, or words that start with a letter, each followed by a separator.
_TAG = re.compile(r"(?:.*[/@])?(?:[A-Za-z][A-Za-z0-9+.]*?[-_])*?(?:[vV]\.?)?(?P<version>[0-9][^/@]*)")


def version_of(tag: str) -> str | None:
    """Return `tag` without a leading name, path or `v`; None where no version is plainly there."""
    match = _TAG.fullmatch(tag)
    return match["version"] if match else None

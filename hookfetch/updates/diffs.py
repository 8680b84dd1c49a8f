"""A file's text before and after as a unified diff that `git apply` and `patch -p1` take. Pure."""

import difflib
from collections.abc import Iterator

_NO_LINE_END = "\n\\ No newline at end of file\n"


def unified_diff(path: str, before: str | None, after: str) -> str:
    """Return the diff of one file, empty if nothing changes; `before` is None for a file that is new.

    The header is the plain one, without `diff --git`: so paths count from where it is applied, which need not
    be the top of a repository. Only a line feed ends a line, as for git: a carriage return is part of it.
    """
    old = "/dev/null" if before is None else f"a/{path}"
    # A blank in a name ends it for patch, unless a tab does (POSIX diff -u).
    old, new = (f"{name}\t" if " " in name else name for name in (old, f"b/{path}"))
    lines = difflib.unified_diff(list(_lines(before or "")), list(_lines(after)), old, new)
    return "".join(line if line.endswith("\n") else line + _NO_LINE_END for line in lines)


def _lines(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end

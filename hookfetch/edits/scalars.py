"""How one text is written in place of another: in its style, else with the fewest quotes. Pure."""

import re

from hookfetch.edits.document import Refused, Scalar, line_of

# With what a plain scalar cannot begin or end, and what it cannot hold (YAML 1.1, section 9.1.3).
_NOT_PLAIN = re.compile(r"""[,\[\]{}#&*!|>'"%@` ]|[-?:](?: |$)|---|\.\.\.|.*(?:: | #|[: ]$)|$""")
_NOT_PLAIN_IN_FLOW = re.compile(
    r"[-?:]|.*[,\[\]{}?:]"
)  # a colon, though YAML allows it: BuildStream's does not


def replacement(text: str, scalar: Scalar, value: str, *, flow: bool) -> tuple[int, int, str]:
    """Return start, end and text of what puts `value` in the place of `scalar`; `flow` is whether it
    stands in a `{}` or `[]`.

    A quoted value keeps its quotes, a plain one stays plain where it is read back the same, and gets
    single quotes otherwise; of a `|` or `>` of one line, that line changes.
    """
    check(value)
    if scalar.style in ("|", ">"):
        return _in_block(text, scalar, value)
    if scalar.style == "tag":
        raise Refused(
            f"line {line_of(text, scalar.start)} has a value with a tag, which hookfetch does not change"
        )
    if scalar.style == "'":
        return scalar.start, scalar.end, _single(value)
    if scalar.style == '"':
        return scalar.start, scalar.end, _double(value)
    written = plain_or_quoted(value, flow=flow)
    if scalar.start == scalar.end:  # `ref:` and nothing: what is there ends with the colon
        written = " " + written
    return scalar.start, scalar.end, written


def plain_or_quoted(value: str, *, flow: bool = False) -> str:
    """Return a text as a new scalar, quoted only if it must be."""
    check(value)
    unsafe = _NOT_PLAIN.match(value) or (flow and _NOT_PLAIN_IN_FLOW.match(value))
    return _single(value) if unsafe else value


def check(value: str) -> None:
    """Refuse what no ref, URL or version holds: it comes from an upstream's tags, and could hide what it
    says from whoever reads the change."""
    if not value.isprintable():
        raise Refused(f"the new value {value[:60]!r} has line ends, control or invisible characters")
    if value != value.strip():
        raise Refused(f"the new value {value[:60]!r} has blanks around it, which BuildStream drops")


def _single(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _double(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _in_block(text: str, scalar: Scalar, value: str) -> tuple[int, int, str]:
    start = text.find("\n", scalar.start, scalar.end) + 1
    if not start or not value or text[start : scalar.end].strip(" ") != scalar.value:
        raise Refused(
            f"line {line_of(text, scalar.start)} begins a block of several lines: a person has to edit it"
        )
    return scalar.end - len(scalar.value), scalar.end, value

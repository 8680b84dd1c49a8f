"""What is tried on readers of bytes: any JSON, deep JSON, and what is none."""

import json
from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

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

"""The text of an element that a client brings in, its sources as values out, or why it is refused. Pure.

What is not known to be harmless is refused: the kinds of sources, their keys, and what each key may hold are
tables (`kinds`) of patterns (`patterns`).
"""

from hookfetch.supplied.kinds import KINDS
from hookfetch.supplied.reading import MAX_BYTES, MAX_SOURCES, read

__all__ = ["KINDS", "MAX_BYTES", "MAX_SOURCES", "read"]

"""The text of a .bst file, of project.refs or of an included file, and changes, in; the changed text out.

Pure, and exact to the byte: only scalars change, and whole lines of a list's items that come or go.
What cannot be written safely raises Refused (docs/edits.md). For each source whose ref changed,
`ref_changes` says what changes where; `edited` makes all changes of one file together:

    document = parse(text)
    changes = ref_changes(document, ("sources", 0), old_ref, new_ref)
    text = edited_document(text, document, changes)
"""

from hookfetch.edits.changes import Change, Path, edited, edited_document, value_at
from hookfetch.edits.document import MAX_TEXT, Mapping, Refused, parse
from hookfetch.edits.sources import (
    change_of,
    find_source,
    locate,
    project_refs_path,
    ref_changes,
    sources_of_kind,
)

__all__ = [
    "MAX_TEXT",
    "Change",
    "Mapping",
    "Path",
    "Refused",
    "change_of",
    "edited",
    "edited_document",
    "find_source",
    "locate",
    "parse",
    "project_refs_path",
    "ref_changes",
    "sources_of_kind",
    "value_at",
]

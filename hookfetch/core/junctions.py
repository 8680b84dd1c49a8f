"""May a ref of an element behind a junction be written? Pure: names and settings, no files.

A full name is `junction.bst:name.bst`, `outer.bst:inner.bst:name.bst` behind nested junctions.
"""


def junction_of(element: str) -> str | None:
    """Return the junction that `element` stands behind, itself a full name; None at the top level."""
    junction, colon, _ = element.rpartition(":")
    return junction if colon else None


def may_write(element: str, allowed: bool) -> str | None:
    """Return why no ref of `element` is to be written into the project, None when one may be.

    `allowed` is whether the project says so (`junction_refs = true` in its hookfetch.toml) and keeps its refs
    in project.refs: only there is a place for the refs of another project, under that one's name.
    """
    junction = junction_of(element)
    if junction is None or allowed:
        return None
    return (
        f"{element} belongs to the project behind {junction}: its refs are written there,"
        " or here if hookfetch.toml says junction_refs = true and refs are kept in project.refs"
    )

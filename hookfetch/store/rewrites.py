"""The rewrites that elements were warned of, in the store."""

import sqlite3

from hookfetch.core.rewrites import Rewrite

_COLUMNS = "element, repository, ref, kind, before, after, target, held"


def of(db: sqlite3.Connection, element: str) -> list[Rewrite]:
    """Return those of `element`, by repository and ref."""
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM rewrites WHERE element = ? ORDER BY repository, ref",  # noqa: S608 (a constant)
        (element,),
    )
    return [
        Rewrite(
            element=name,
            repository=repository,
            ref=ref,
            kind=kind,
            before=before,
            after=after,
            target=target,
            held=bool(held),
        )
        for name, repository, ref, kind, before, after, target, held in rows
    ]


def remember(db: sqlite3.Connection, rewrite: Rewrite) -> None:
    """Keep a rewrite, in place of the one before of the same element, repository and ref."""
    db.execute(
        f"INSERT OR REPLACE INTO rewrites ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 (a constant)
        (
            rewrite.element,
            rewrite.repository,
            rewrite.ref,
            rewrite.kind,
            rewrite.before,
            rewrite.after,
            rewrite.target,
            rewrite.held,
        ),
    )


def forget(db: sqlite3.Connection, rewrite: Rewrite) -> None:
    """Forget a rewrite."""
    db.execute(
        "DELETE FROM rewrites WHERE element = ? AND repository = ? AND ref = ?",
        (rewrite.element, rewrite.repository, rewrite.ref),
    )

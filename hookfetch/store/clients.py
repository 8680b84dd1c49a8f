"""Who waits for a job, or watches it, in the store. Who only watches makes no job the more wanted."""

import sqlite3

from hookfetch.core.commands import Client


def clients(db: sqlite3.Connection, job_id: str) -> tuple[Client, ...]:
    """Return the clients that wait for a job; those who only watch it are none."""
    rows = db.execute(
        "SELECT request_id, reply_to, wants FROM job_clients WHERE job_id = ? AND wants != 'watch'"
        " ORDER BY request_id",
        (job_id,),
    )
    return tuple(Client(request_id=r, reply_to=to, wants=wants) for r, to, wants in rows)


def attend(db: sqlite3.Connection, job_id: str, client: Client) -> None:
    """Let a client watch a job, which is none the more wanted for it."""
    db.execute(
        "INSERT OR IGNORE INTO job_clients VALUES (?, ?, ?, ?)",
        (job_id, client.request_id, client.reply_to, client.wants),
    )


def job_of(db: sqlite3.Connection, request_id: str) -> str | None:
    """Return the job that a client waits for."""
    row = db.execute("SELECT job_id FROM job_clients WHERE request_id = ?", (request_id,)).fetchone()
    return None if row is None else str(row[0])


def forget(db: sqlite3.Connection, request_id: str) -> None:
    """Drop a client who was answered, whichever job it waited for."""
    db.execute("DELETE FROM job_clients WHERE request_id = ?", (request_id,))

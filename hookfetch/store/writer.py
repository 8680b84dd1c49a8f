"""Who is in the middle of a transaction of a store, for the line that says why everyone else waits. It
only looks: to end a process is for a person, who knows what else it does."""

from pathlib import Path

# The byte of the -shm file that a writer locks: https://sqlite.org/walformat.html#walidxlocks
_WRITE_LOCK = ["POSIX", "WRITE", "120", "120"]


def writer_of(path: Path) -> str | None:
    """Return the process that writes to the store at `path`, and what to do if it was stopped; None when
    nobody does, or it cannot be told (no Linux, another container)."""
    try:
        inode = Path(f"{path}-shm").stat().st_ino
        table = Path("/proc/locks").read_text(encoding="ascii")
        for line in table.splitlines():
            _, kind, *_, mode, pid, place, first, last = line.split()
            if [kind, mode, first, last] == _WRITE_LOCK and place.endswith(f":{inode}"):
                return _described(int(pid))
    except OSError:  # it ended meanwhile, or there is no such table here
        return None
    return None


def _described(pid: int) -> str:
    # pid (name) state …: the name may hold anything, so it is looked for from both ends.
    before, _, after = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(") ")
    name, state = before.partition("(")[2], after[0]
    said = f"process {pid} ({name}) is in the middle of a transaction"
    if state in "Tt":
        return f"{said} and stopped: let it go on (kill -CONT {pid}), or end it"
    return said

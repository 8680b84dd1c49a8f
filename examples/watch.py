"""Prints each ref update as it is announced, and goes on where it was when it is started again.

python watch.py gateway.example.org:50052 my-project cursor.txt
"""

import sys
from pathlib import Path

from hookfetch.client import BlockingClient, RefUpdate

target, project, kept = sys.argv[1], sys.argv[2], Path(sys.argv[3])
with BlockingClient(target) as client:
    cursor = kept.read_text() if kept.exists() else None
    for entry in client.watch(projects=[project], cursor=cursor):
        if isinstance(entry, RefUpdate):
            refs = ", ".join(str(change.ref) for change in entry.changes)
            print(entry.element, refs, flush=True)
        kept.with_suffix(".new").write_text(entry.cursor)
        kept.with_suffix(".new").replace(kept)  # so that it is never half written

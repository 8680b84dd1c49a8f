"""Writes the first inputs of `fuzz.ingress_core`: python -m fuzz.seeds FOLDER [RECORDED BODIES ...].

Without recorded bodies the fuzzer starts from the small ones here, one a kind of payload.
"""

import itertools
import sys
from pathlib import Path

BODIES = (
    b'{"ref":"refs/heads/main","before":"%(a)s","after":"%(a)s","repository":{"html_url":"https://h/r"}}',
    b'{"object_kind":"repository_update","project":{"web_url":"https://h/r"},"changes":[{"ref":"refs/heads/m","after":"%(a)s"}]}',
    b'{"type":"batch-ref-updated","refUpdates":[{"refName":"m","newRev":"%(a)s","project":"p"}]}',
    b'{"eventType":"git.push","resource":{"repository":{"remoteUrl":"https://h/r"},"refUpdates":[{"name":"refs/heads/m","newObjectId":"%(a)s"}]}}',
    b'{"push":{"changes":[{"old":null,"new":{"type":"branch","name":"m","target":{"hash":"%(a)s"}}}]},"repository":{"full_name":"o/r"}}',
    b'{"eventKey":"repo:refs_changed","repository":{"slug":"r","project":{"key":"P"}},"changes":[{"refId":"refs/heads/m","toHash":"%(a)s"}]}',
    b'{"data":{"webhook":{"repository":{"name":"r","owner":{"canonicalName":"~a"}},"updates":[{"ref":{"name":"refs/tags/1"},"old":null,"new":{"id":"%(a)s"}}]}}}',
    b'{"topic":"git.receive","msg":{"branch":"m","end_commit":"%(a)s","repo":{"full_url":"https://h/r"}}}',
    b'{"topic":"anitya.project.version.update.v2","message":{"upstream_versions":["1"],"project":{"backend":"GitHub","version_url":"o/r"}}}',
    b'{"type":"ref.updated","data":{"repository":"https://h/r","ref":"refs/heads/m","after":"%(a)s"}}',
    b'{"trigger":"branch_updated","repo":{"git_url":"https://h/r"},"ref":{"name":"refs/heads/m"},"sha":"%(a)s"}',
    b'{"action":"published","release":{"tag_name":"v1"},"repository":{"html_url":"https://h/r"}}',
    b"payload=%%7B%%22ref%%22%%3A%%22x%%22%%7D&a=b",
)
_SIGNED = b"\x01"
# The fuzzer's choices stand behind the body, the last one first: no headers, an event, no options, the forge.
_EVENTS = (0, 7)
_FORGES = 15


def main(folder: Path, recorded: list[Path]) -> None:
    """Write each body once for each forge into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    bodies = [body % {b"a": b"a" * 40} for body in BODIES] + [path.read_bytes() for path in recorded]
    for number, body in enumerate(bodies):
        for forge, event in itertools.product(range(_FORGES), _EVENTS):
            name = f"{number:03}-{forge:02}-{event}"
            (folder / name).write_bytes(_SIGNED + body + bytes([0, event, 0, forge]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])

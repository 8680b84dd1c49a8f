"""Signed push deliveries in GitHub's shape, about 10 KB each and no two alike, as whole HTTP requests."""

import hashlib
import hmac
import json
import random
import uuid

SECRET = "bench-secret"  # noqa: S105 - signs nothing but the bench's own requests
COMMITS = 15


def request(rng: random.Random, port: int) -> bytes:
    """Return one POST as bytes."""
    body = json.dumps(_push(rng)).encode()
    signature = hmac.digest(SECRET.encode(), body, hashlib.sha256).hex()
    head = (
        "POST /hooks/github HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\n"
        "User-Agent: GitHub-Hookshot/044aadd\r\n"
        "Accept: */*\r\n"
        "Content-Type: application/json\r\n"
        f"X-GitHub-Delivery: {uuid.UUID(int=rng.getrandbits(128))}\r\n"
        "X-GitHub-Event: push\r\n"
        "X-GitHub-Hook-ID: 292430182\r\n"
        "X-GitHub-Hook-Installation-Target-ID: 79929171\r\n"
        "X-GitHub-Hook-Installation-Target-Type: repository\r\n"
        f"X-Hub-Signature-256: sha256={signature}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _push(rng: random.Random) -> dict[str, object]:
    repository = f"example/project-{rng.randrange(1000)}"
    web = f"https://github.com/{repository}"
    commits = [_commit(rng, web) for _ in range(COMMITS)]
    return {
        "ref": f"refs/heads/{rng.choice(['main', 'devel', 'release'])}",
        "before": _sha(rng),
        "after": commits[-1]["id"],
        "repository": {
            "id": rng.randrange(10**9),
            "full_name": repository,
            "private": False,
            "html_url": web,
            "clone_url": f"{web}.git",
            "ssh_url": f"git@github.com:{repository}.git",
            "git_url": f"git://github.com/{repository}.git",
            "svn_url": web,
            "default_branch": "main",
        },
        "pusher": {"name": "someone", "email": "someone@example.org"},
        "sender": {"login": "someone", "id": 1, "type": "User", "site_admin": False},
        "created": False,
        "deleted": False,
        "forced": False,
        "compare": f"{web}/compare/{_sha(rng)[:12]}...{_sha(rng)[:12]}",
        "commits": commits,
        "head_commit": commits[-1],
    }


def _commit(rng: random.Random, web: str) -> dict[str, object]:
    name = _sha(rng)
    person = {"name": "Some One", "email": "someone@example.org", "username": "someone"}
    return {
        "id": name,
        "tree_id": _sha(rng),
        "distinct": True,
        "message": f"Fix the case of {_sha(rng)[:9]} and say why\n\nCloses #{rng.randrange(10**4)}",
        "timestamp": "2026-01-02T03:04:05+00:00",
        "url": f"{web}/commit/{name}",
        "author": person,
        "committer": person,
        "added": [],
        "removed": [],
        "modified": [f"src/part{rng.randrange(100)}/file{rng.randrange(100)}.c" for _ in range(2)],
    }


def _sha(rng: random.Random) -> str:
    return f"{rng.getrandbits(160):040x}"

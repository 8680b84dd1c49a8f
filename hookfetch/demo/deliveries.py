"""Signed push deliveries as GitHub and GitLab send them, for trying and testing. Nothing is sent from here.

Names, people and times are invented; field names, header names and the signatures are the
forges' own.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

_OWNER = "demo"
_EMAIL = "demo@example.com"
_SENT_AT = "2024-07-01T12:00:00Z"


def github_push(
    repository_url: str, ref: str, before: str, after: str, secret: str, delivery_id: str
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of GitHub's delivery for a push to `ref` (full). An `after` of all
    zeros deletes it, a `before` of all zeros creates it."""
    web_url, path = _web_url(repository_url), _path(repository_url)
    deleted = _is_null(after)
    commit = _commit(web_url, after)
    body = _json(
        {
            "ref": ref,
            "before": before,
            "after": after,
            "repository": {
                "id": _number(path),
                "name": path.rsplit("/", 1)[-1],
                "full_name": path,
                "private": False,
                "owner": {"name": _OWNER, "email": _EMAIL, "login": _OWNER, "id": 1, "type": "User"},
                "html_url": web_url,
                "url": web_url,
                "git_url": f"git://{_host(repository_url)}/{path}.git",
                "ssh_url": f"git@{_host(repository_url)}:{path}.git",
                "clone_url": repository_url,
                "svn_url": web_url,
                "default_branch": "main",
            },
            "pusher": {"name": _OWNER, "email": _EMAIL},
            "sender": {"login": _OWNER, "id": 1, "type": "User"},
            "created": _is_null(before),
            "deleted": deleted,
            "forced": False,
            "base_ref": None,
            "compare": f"{web_url}/compare/{before[:12]}...{after[:12]}",
            "commits": [] if deleted else [commit],
            "head_commit": None if deleted else commit,
        }
    )
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/demo",
        "X-GitHub-Delivery": delivery_id,
        "X-GitHub-Event": "push",
        "X-Hub-Signature-256": "sha256=" + hmac.digest(secret.encode(), body, "sha256").hex(),
    }
    return headers, body


def gitlab_push(
    repository_url: str, ref: str, before: str, after: str, secret: str, delivery_id: str
) -> tuple[dict[str, str], bytes]:
    """Return headers and body of GitLab's delivery for a push to `ref` (full), as `github_push`.

    A `secret` that starts with `whsec_` is a signing token, and signs the delivery as sent now;
    any other is a secret token, and stands in a header. ValueError when a signing token is not base64.
    """
    web_url, path = _web_url(repository_url), _path(repository_url)
    ssh_url = f"git@{_host(repository_url)}:{path}.git"
    kind = "tag_push" if ref.startswith("refs/tags/") else "push"
    deleted = _is_null(after)
    repository = {
        "name": path.rsplit("/", 1)[-1],
        "description": None,
        "homepage": web_url,
        "url": ssh_url,
        "git_http_url": repository_url,
        "git_ssh_url": ssh_url,
        "visibility_level": 20,
    }
    body = _json(
        {
            "object_kind": kind,
            "event_name": kind,
            "before": before,
            "after": after,
            "ref": ref,
            "ref_protected": False,
            "checkout_sha": None if deleted else after,
            "message": None,
            "user_id": 1,
            "user_name": "Demo",
            "user_username": _OWNER,
            "user_email": None,
            "project_id": _number(path),
            "project": {
                **repository,
                "id": _number(path),
                "web_url": web_url,
                "namespace": path.rsplit("/", 1)[0],
                "path_with_namespace": path,
                "default_branch": "main",
                "ssh_url": ssh_url,
                "http_url": repository_url,
            },
            "commits": [] if deleted else [_commit(web_url, after)],
            "total_commits_count": 0 if deleted else 1,
            "push_options": {},
            "repository": repository,
        }
    )
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitLab/demo",
        "X-Gitlab-Event": "Tag Push Hook" if kind == "tag_push" else "Push Hook",
        "X-Gitlab-Instance": web_url.removesuffix(f"/{path}"),
        "Idempotency-Key": delivery_id,
    }
    return headers | _gitlab_proof(secret, delivery_id, body), body


def _gitlab_proof(secret: str, delivery_id: str, body: bytes) -> dict[str, str]:
    if not secret.startswith("whsec_"):
        return {"X-Gitlab-Token": secret}
    timestamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    mac = hmac.digest(key, f"{delivery_id}.{timestamp}.".encode() + body, "sha256")
    return {
        "webhook-id": delivery_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": "v1," + base64.b64encode(mac).decode("ascii"),
    }


def _json(payload: Mapping[str, object]) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _commit(web_url: str, name: str) -> dict[str, object]:
    return {
        "id": name,
        "message": "Push something",
        "timestamp": _SENT_AT,
        "url": f"{web_url}/commit/{name}",
        "author": {"name": "Demo", "email": _EMAIL},
        "added": [],
        "removed": [],
        "modified": ["README"],
    }


def _web_url(repository_url: str) -> str:
    return repository_url.rstrip("/").removesuffix(".git")


def _path(repository_url: str) -> str:
    return urlsplit(_web_url(repository_url)).path.strip("/")


def _host(repository_url: str) -> str:
    return urlsplit(repository_url).hostname or "localhost"


def _number(path: str) -> int:
    """Return an id that stays the same for one repository, as a forge's does."""
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big")


def _is_null(name: str) -> bool:
    return not name.strip("0")

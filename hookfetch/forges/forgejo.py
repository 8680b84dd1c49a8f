"""Forgejo webhooks: Gitea's payloads and signature under Forgejo's own header names. Pure.

Forgejo sends Gitea's and GitHub's headers too; they are not looked at.
"""

from hookfetch.forges.gitea import Gitea


class Forgejo(Gitea):
    """The `forgejo` forge."""

    BRAND = "forgejo"

"""Gogs webhooks: Gitea's payloads and signature under Gogs' header names. Pure.

Gogs says less: a new ref has no object's name, a push no head commit.
"""

from hookfetch.forges.gitea import Gitea


class Gogs(Gitea):
    """The `gogs` forge."""

    BRAND = "gogs"

"""Versions: their order, how tags and files spell them, and which release an element is updated to. Pure."""

from hookfetch.core.versions.choosing import Rules, choose, newest
from hookfetch.core.versions.ordering import Version
from hookfetch.core.versions.prereleases import is_prerelease
from hookfetch.core.versions.spelling import Spelled, in_file, in_tag, in_text, version_of

__all__ = [
    "Rules",
    "Spelled",
    "Version",
    "choose",
    "in_file",
    "in_tag",
    "in_text",
    "is_prerelease",
    "newest",
    "version_of",
]

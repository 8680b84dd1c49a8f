"""Tracking an element's sources, made anew for it; the mirrors that it reads are brought up to date first."""

from typing import Any

from hookfetch.engine import mirrors
from hookfetch.engine import private_api as bst
from hookfetch.engine.looks import Look
from hookfetch.engine.source_mirrors import SourceMirrors


def tracked(kept: SourceMirrors, sources: Any, ahead: Look | None = None) -> list[bst.RefKeys | None]:
    """Return each source's newest ref; `ahead` is a look at the upstreams that has been had already. Whatever
    BuildStream and its plugins raise is passed on."""
    with kept.alone(sources.sources()):
        look = ahead or Look(sources.sources())
        mirrors.refresh_for_tracking(sources.sources(), look.refs_at)
        with look.told():
            bst.track(sources)
    return [bst.ref_keys(source) for source in sources.sources()]

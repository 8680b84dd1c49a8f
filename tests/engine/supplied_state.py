"""Run in a process of its own: works on what clients bring, and prints what BuildStream has of it before and
after. The arguments are a project's folder, one for the worker, and the path of a repository below `up:`."""

import gc
import json
import os
import sys
from pathlib import Path
from typing import Any

from buildstream import Source
from buildstream.element import Element

from hookfetch.core.supplied import SuppliedRules, SuppliedSource, job_name
from hookfetch.engine.egress.named import read_named
from hookfetch.engine.fetching.connections import connections_to
from hookfetch.engine.messages import Mirrors, Run, Start
from hookfetch.engine.warm import WarmProject

ROUNDS = 5


def state(project: WarmProject) -> dict[str, Any]:
    """Return what must be as it was, counted or whole."""
    gc.collect()
    loaded = project._context.get_toplevel_project()  # noqa: SLF001 - there is no other way to see it
    everything = gc.get_objects()
    return {
        "elements": sum(isinstance(each, Element) for each in everything),
        "sources": sum(isinstance(each, Source) for each in everything),
        "instantiated": len(Element._Element__instantiated_elements),  # noqa: SLF001
        "redundant": len(Element._get_redundant_source_refs()),  # noqa: SLF001
        "loaded": sorted(loaded.loader._elements),  # noqa: SLF001
        "refs": loaded.refs._toplevel_node.strip_node_info(),  # noqa: SLF001
        "named": sorted(read_named()),
        "protocols": os.environ["GIT_ALLOW_PROTOCOL"],
        "kept": sorted(map(str, Path(sys.argv[2]).glob("supplied*"))),
    }


def main() -> None:
    path, directory, url, commit, host, port = sys.argv[1:]
    start = Start(
        name="lab",
        path=path,
        clone=None,
        directory=directory,
        cache_bytes=10**9,
        source_cache=(),
        cache_lease=60.0,
        options={},
        targets=("**.bst",),
        shortcut=False,
        mirrors=Mirrors(state_dir=directory, bytes=10**9, archive_bytes=10**9, accounts=(), patience=10.0),
        supplied=SuppliedRules(kinds=frozenset({"git"}), hosts=frozenset({(host, int(port))})),
    )
    with WarmProject(start) as project:
        project.load(None)

        def work(number: int) -> None:
            config = {"url": url, "track": "main", "directory": f"d{number}"}
            sources = (SuppliedSource(kind="git", config=config, ref=commit),) * 2
            for wants in ("track", "fetch"):
                name = job_name(sources, wants)
                run = Run(element=name, track=wants == "track", refs=(), supplied=sources)
                project.run(run, lambda refs, spent: None)

        upstream = f"http://{host}:{port}/"
        opened = connections_to(upstream).connection_from_url(upstream)
        opened.request("GET", "/")
        work(-1)
        assert opened.num_connections == 1  # which served no client
        assert connections_to(upstream).connection_from_url(upstream) is not opened
        before = state(project)
        for number in range(ROUNDS):
            work(number)
        json.dump([before, state(project)], sys.stdout)


if __name__ == "__main__":
    main()

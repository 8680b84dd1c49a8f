"""Workers end when it is time: before a cache is full, and not for each job of two projects."""

import os

import pytest

from tests.engine.lab import Lab, ignore, running

pytestmark = pytest.mark.engine


def stored(lab: Lab) -> int:
    objects = (lab.root / "state" / "engine").glob("*/*/cache/cas/objects/*/*")
    return sum(path.stat().st_size for path in objects)


async def test_a_worker_is_replaced_before_its_cache_is_full_and_the_next_one_expires_it(lab: Lab) -> None:
    quota = 4_000_000
    lab.element("big.bst", {"kind": "remote", "url": "up:big"})
    big = lab.upstreams / "big"
    workers, most = set[int](), 0
    async with running(lab, None, cache_bytes=quota) as bench:
        for _ in range(30):  # 5.7 MB, all of it new
            big.write_bytes(os.urandom(190_000))
            await bench.run("big.bst")
            workers.update(bench.engine.pids)
            most = max(most, stored(lab))
    assert quota / 2 < most <= quota
    assert len(workers) >= 3


async def test_projects_that_alternate_keep_their_warm_processes(lab: Lab) -> None:
    lab.element("it.bst", {"kind": "local", "path": "project.conf"})
    async with running(lab, None, processes=1, others=("other",)) as bench:
        job = bench.job("it.bst")
        seen = []
        for project in ("lab", "other") * 2:
            with_project = type(job)(
                id="j", project=project, element=job.element, epoch=1, track=True, refs=job.refs
            )
            await bench.engine.run(with_project, ignore)
            seen.append(frozenset(bench.engine.pids))
        assert len(seen[1]) == 2
        assert seen[1:] == [seen[1]] * 3

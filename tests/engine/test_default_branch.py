"""HEAD of a mirror names the upstream's default branch, whatever elements follow."""

import os
import time
from pathlib import Path

import pytest

from tests.engine.lab import running
from tests.engine.test_originals import Counted, counting, repositories, run

pytestmark = pytest.mark.engine


async def test_a_mirror_has_the_default_branch_of_its_upstream_and_asks_for_it_once_in_a_while(
    tmp_path: Path,
) -> None:
    async with counting(tmp_path) as (counted, lab):
        repository = lab.repository("glib")
        first = repository.commit_of("refs/heads/main") or ""
        _rename_default(counted, "trunk", first)
        lab.element("glib.bst", {"kind": "git_repo", "url": "up:glib.git", "track": "main"})
        async with running(lab, None) as bench:
            await run(bench.engine, "glib.bst")
            (original,) = repositories(lab.root / "state")
            assert _head(original.content) == "ref: refs/heads/trunk"

            _rename_default(counted, "next", first)
            await run(bench.engine, "glib.bst")
            assert _head(original.content) == "ref: refs/heads/trunk"

            two_months_ago = time.time() - 60 * 86400
            os.utime(original.directory / "head", (two_months_ago, two_months_ago))
            await run(bench.engine, "glib.bst")
            assert _head(original.content) == "ref: refs/heads/next"


def _head(repository: Path) -> str:
    return (repository / "HEAD").read_text().strip()


def _rename_default(counted: Counted, name: str, commit: str) -> None:
    upstream = counted.root / "it/glib.git"
    (upstream / "refs/heads" / name).write_text(f"{commit}\n")
    (upstream / "HEAD").write_text(f"ref: refs/heads/{name}\n")

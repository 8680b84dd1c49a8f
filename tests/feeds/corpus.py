"""The shared corpus of real and generated documents of upstreams, and what is in them."""

import json
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"


def expected() -> list[dict[str, Any]]:
    lines = (CORPUS / "expected.jsonl").read_text().splitlines()
    return [case for case in map(json.loads, lines) if case["type"] == "feed"]


def body(case: dict[str, Any]) -> bytes:
    path: Path = CORPUS / case["file"]
    return path.read_bytes()

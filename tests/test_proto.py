import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_committed_python_is_what_the_protos_generate(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "proto/generate.py"), str(tmp_path)],
        check=True,
        timeout=60,
        capture_output=True,
    )
    generated = {path.name: path.read_bytes() for path in (tmp_path / "hookfetch/v1").iterdir()}
    committed = {path.name: path.read_bytes() for path in (ROOT / "hookfetch/v1").iterdir() if path.is_file()}
    assert committed == generated


def test_the_contract_brings_no_package_into_anyones_top_level() -> None:
    code = (
        "import sys; from hookfetch.v1 import refs_pb2, refs_pb2_grpc, sources_pb2, sources_pb2_grpc;"
        "sys.exit(bool({'proto', 'v1', 'refs_pb2', 'sources_pb2'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)

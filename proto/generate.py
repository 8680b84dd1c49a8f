"""Generate the Python of the gRPC contract: `python proto/generate.py [folder]`.

Writes `hookfetch/v1/` below the folder, the repository by default. The result is committed,
and `tests/test_proto.py` compares it byte for byte: run this after every change of a `.proto`.
"""

import os
import subprocess
import sys
from pathlib import Path

PROTO = Path(__file__).resolve().parent
PACKAGE = "hookfetch/v1"
_DOCSTRING = '"""Generated from proto/hookfetch/v1 by proto/generate.py. Do not edit."""\n'


def generate(folder: Path) -> list[Path]:
    """Write the package below `folder` and return its files; CalledProcessError when protoc refuses."""
    sources = sorted(str(path.relative_to(PROTO)) for path in (PROTO / PACKAGE).glob("*.proto"))
    folder.mkdir(parents=True, exist_ok=True)
    # The plugins of mypy-protobuf are programs beside this interpreter, which need not be on PATH.
    search = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={PROTO}",
            *(f"--{plugin}_out={folder}" for plugin in ("python", "grpc_python", "mypy", "mypy_grpc")),
            *sources,
        ],
        check=True,
        timeout=60,
        env={**os.environ, "PATH": search},
    )
    package = folder / PACKAGE
    (package / "__init__.py").write_text(_DOCSTRING, encoding="utf-8")
    return sorted(path for path in package.iterdir() if path.is_file())


if __name__ == "__main__":
    generate(Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO.parent)

"""What is installed is what stands here: the wheel has every room, and handlers only inside the package."""

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_wheel_holds_handlers_contract_and_schema(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    # A copy, for a build leaves files beside its sources.
    copied = tmp_path / "source"
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in filter(None, tracked.split("\0")):
        source, target = ROOT / name, copied / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.is_file():
            target.write_bytes(source.read_bytes())
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(copied)], check=True, timeout=150)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in (
        "hookfetch/handlers/upstream.py",
        "hookfetch/v1/refs_pb2.py",
        "hookfetch/store/migrations/0001.sql",
        "hookfetch/py.typed",
    ):
        assert wanted in names
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"hookfetch"}


def test_handlers_are_imported_from_inside_the_package() -> None:
    import hookfetch.handlers

    assert hookfetch.handlers.__name__ == "hookfetch.handlers"
    assert Path(hookfetch.handlers.__file__).resolve().parent == ROOT / "handlers"

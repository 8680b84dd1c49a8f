"""The contract with BuildStream: every private name that the modules `private_*` use, and how it behaves.

A new BuildStream is supported once this passes with it.
"""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hookfetch.core.errors import ConfigurationError
from hookfetch.engine import version
from tests.engine.lab import Lab

pytestmark = pytest.mark.engine

SOURCES = sorted((Path(__file__).parents[2] / "hookfetch/engine").glob("private_*.py"))

# Where each name with a leading underscore that the modules' code names is looked for.
CLASSES = {
    "_reset_load_state": "element.Element",
    "_get_redundant_source_refs": "element.Element",
    "_Element__load_sources": "element.Element",
    "_get_full_name": "element.Element",
    "_get_context": "plugin.Plugin",
    "_get_project": "plugin.Plugin",
    "_get_alias": "source.Source",
    "_get_source_name": "source.Source",
    "_generate_key": "source.Source",
    "_fetch": "source.Source",
    "_fetch_done": "element.Element",
    "_stage_sources_at": "element.Element",
    "_initialize_state": "element.Element",
    "_set_ref": "source.Source",
    "_Source__clone_for_uri": "source.Source",
    "_get_digest": "storage._casbaseddirectory.CasBasedDirectory",
    "_load_ref": "source.Source",
    "_project_refs": "source.Source",
    "_setup_sandbox": "_platform.Platform",
    "_lookup": "_projectrefs.ProjectRefs",
    "_get_mirror_file": "downloadablefilesource.DownloadableFileSource",
    "_store_etag": "downloadablefilesource.DownloadableFileSource",
    "_get_tar": "plugins.sources.tar.TarSource",
    "_find_base_dir": "plugins.sources.tar.TarSource",
    "_preextract_filter": "plugins.sources.tar.TarSource",
    "_extract_filter": "plugins.sources.tar.TarSource",
}
INSTANCE_ATTRIBUTES = {
    "_projects": "_context.Context",
    "_workspaces": "_context.Context",
    "_platform": "_context.Context",
    "_locals": "_messenger.Messenger",
    "_use_dummy_sandbox": "_platform.Platform",
    "_use_dummy_sandbox_reason": "_platform.Platform",
    "_toplevel_node": "_projectrefs.ProjectRefs",
    "_remotes": "_assetcache.AssetCache",
    "_directory": "source.Source",
    "_mirror_dir": "downloadablefilesource.DownloadableFileSource",
    "_aliases": "_project.ProjectConfig",
    "_unique_id": "plugin.Plugin",
    "_Element__public": "element.Element",
    "_Element__sources": "element.Element",
    "_Element__variables": "element.Element",
    "_Source__config": "source.Source",
    "_Source__element_index": "source.Source",
    "_Source__element_kind": "source.Source",
    "_Source__element_name": "source.Source",
    "_Source__first_pass": "source.Source",
    "_Source__marked_urls": "source.Source",
    "_Source__provenance": "source.Source",
    "_Source__variables": "source.Source",
}
MODULE_FUNCTIONS = {"_reset_global_state": "node"}
MODULES = {
    *("_pipeline", "_Scope"),
    *("_signals", "_context", "_elementsources", "_exceptions", "_loader", "_platform", "_project"),
    *("_projectrefs", "_protos", "_stream"),
}


def find(name: str) -> Any:
    """Return `buildstream.<name>`."""
    module, _, attribute = name.rpartition(".")
    __import__(f"buildstream.{module}")
    return getattr(sys.modules[f"buildstream.{module}"], attribute)


def private_names() -> set[str]:
    """Return every name with one leading underscore that the modules take from elsewhere."""
    found: set[str] = set()
    own: set[str] = set()
    for node in (node for source in SOURCES for node in ast.walk(ast.parse(source.read_text()))):
        match node:
            case ast.Attribute(attr=name):
                found.add(name)
            case ast.ImportFrom(module=str(module), names=names):
                found.update([*module.split("."), *(alias.name for alias in names)])
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                own.add(name)
    overridden = {"_setup_sandbox"}
    return {name for name in found - own if name.startswith("_")} | overridden


def test_the_contract_covers_every_private_name() -> None:
    assert private_names() == {*CLASSES, *INSTANCE_ATTRIBUTES, *MODULE_FUNCTIONS, *MODULES}


@pytest.mark.parametrize(("name", "owner"), CLASSES.items())
def test_a_private_method_is_there(name: str, owner: str) -> None:
    assert callable(getattr(find(owner), name))


@pytest.mark.parametrize(("name", "owner"), INSTANCE_ATTRIBUTES.items())
def test_a_private_attribute_is_set_by_its_class(name: str, owner: str) -> None:
    written = re.sub("^_(Source|Element)__", "__", name)
    assert re.search(rf"self\.{written}\b[^=\n]*=", inspect.getsource(find(owner)))


@pytest.mark.parametrize(
    ("owner", "parameters"),
    [
        ("_context.Context", ["use_casd"]),
        ("_context.Context.load", ["self", "config"]),
        ("_stream.Stream.set_project", ["self", "project"]),
        ("_pipeline.dependencies", ["targets", "scope", "recurse"]),
        ("element.Element._fetch", ["self", "fetch_original"]),
        ("element.Element._fetch_done", ["self", "fetched_original"]),
        ("element.Element._stage_sources_at", ["self", "vdirectory"]),
        ("source.Source._set_ref", ["self", "new_ref", "save"]),
        ("_elementsources.ElementSources", ["context", "project", "plugin"]),
        ("_elementsources.ElementSources.add_source", ["self", "source"]),
        ("_elementsources.ElementSources.track", ["self", "workspace"]),
        ("_elementsources.ElementSources.fetch", ["self"]),
        ("_elementsources.ElementSources.stage_and_cache", ["self"]),
        ("_elementsources.ElementSources.push", ["self"]),
        ("_elementsources.ElementSources.query_cache", ["self"]),
        ("_elementsources.ElementSources.cached", ["self"]),
        ("_elementsources.ElementSources.preflight", ["self"]),
        ("_elementsources.ElementSources.update_resolved_state", ["self"]),
        ("_elementsources.ElementSources.get_cache_key", ["self"]),
        ("_elementsources.ElementSources.sources", ["self"]),
        (
            "_projectrefs.ProjectRefs._lookup",
            ["self", "toplevel", "project", "element", "source_index", "ensure"],
        ),
        (
            "_loader.MetaSource",
            [
                *("element_name", "element_index", "element_kind", "kind", "directory", "provenance"),
                *("config", "first_pass"),
            ],
        ),
        (
            "source.Source",
            ["context", "project", "meta", "variables", "alias_override", "unique_id"],
        ),
        ("source.Source._fetch", ["self", "previous_sources_dir"]),
        ("source.Source.get_mirror_directory", ["self"]),
        ("_project.Project.translate_url", ["self", "url", "source", "first_pass"]),
        ("_project.Project.get_alias_uris", ["self", "alias", "first_pass", "tracking"]),
        ("_project.Project.create_element", ["self", "load_element"]),
        ("_elementsources.ElementSources.get_files", ["self"]),
        (
            "_messenger.Messenger.setup_new_action_context",
            ["self", "action_name", "element_name", "element_key"],
        ),
        ("_messenger.Messenger.set_message_handler", ["self", "handler"]),
        ("_signals.suspendable", ["suspend_callback", "resume_callback"]),
        ("_signals.terminator", ["terminate_func"]),
    ],
)
def test_a_private_signature_is_as_used(owner: str, parameters: list[str]) -> None:
    module, _, rest = owner.partition(".")
    target = find(f"{module}.{rest.split('.')[0]}")
    for part in rest.split(".")[1:]:
        target = getattr(target, part)
    assert list(inspect.signature(target).parameters) == parameters


def test_plugins_write_to_the_log_of_the_thread() -> None:
    messenger = find("_messenger.Messenger")()
    assert messenger.get_log_handle() is None
    vars(messenger)["_locals"].log_handle = sys.stderr
    assert messenger.get_log_handle() is sys.stderr


def test_load_selection_connects_nothing_unless_asked() -> None:
    parameters = inspect.signature(find("_stream.Stream").load_selection).parameters
    assert parameters["connect_source_cache"].default is False
    assert parameters["need_state"].default is True


def test_a_context_starts_its_storage_daemon_when_needed_and_ends_it(lab: Lab) -> None:
    lab.element("it.bst", {"kind": "local", "path": "project.conf"})
    # In a process of its own: BuildStream takes over signals and keeps global state.
    code = """
import sys
from pathlib import Path
from hookfetch.engine import private_api as bst
from hookfetch.engine.private_loading import load_project
from hookfetch.engine.user_configuration import write_user_configuration

with bst.open_context(write_user_configuration(Path(sys.argv[1]), (), 10**9)) as context:
    for _ in range(2):
        (name,) = load_project(context, Path(sys.argv[2]), {}, ["**.bst"])
    pid = bst.storage_pid(context)
    assert bst.storage_lives(context)
    assert Path(f"/proc/{pid}/cmdline").read_bytes().count(b"buildbox-casd")
assert not Path(f"/proc/{pid}").exists()
sys.stdout.write(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(lab.root / "direct"), str(lab.project)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{lab.folder}/it.bst"), done.stderr


def test_another_buildstream_is_refused_with_both_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "version", lambda name: "2.9.0")
    with pytest.raises(ConfigurationError, match=r"~=2\.8\.1 is needed, and 2\.9\.0 is installed"):
        version.check_buildstream()

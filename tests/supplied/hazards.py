"""What a client must not get through with, each with the place at which it is refused, within the text."""

import json
from typing import Any

COMMIT = "1" * 40
DIGEST = "2" * 64


def text(*sources: Any, **more: Any) -> str:
    """Return an element with these sources; JSON is YAML."""
    return json.dumps({"kind": "import", "sources": list(sources), **more}, indent=1)


def git(**changed: Any) -> dict[str, Any]:
    return {"kind": "git", "url": "upstream:alpha.git", "track": "main", "ref": COMMIT, **changed}


def remote(**changed: Any) -> dict[str, Any]:
    return {"kind": "remote", "url": "upstream:delta-1.0.tar.gz", "ref": DIGEST, **changed}


_URL, _TRACK, _DIRECTORY = "sources[0].url", "sources[0].track", "sources[0].directory"

# Refused by the text alone.
IN_TEXT: dict[str, tuple[str, str]] = {
    # Each shown to work with BuildStream alone.
    "an option as the url": (text(git(url="--upload-pack=touch /tmp/x")), _URL),
    "an option behind an alias": (text(git(url="upstream:--upload-pack=touch")), _URL),
    "an option as the track": (text(git(track="--output=/tmp/x")), _TRACK),
    "a short option as the track": (text(git(track="-oProxyCommand=x")), _TRACK),
    "a host file": (text(remote(url="file:///etc/hostname")), _URL),
    "a local repository": (text(git(url="file:///srv/secret.git")), _URL),
    "a path": (text(git(url="/srv/secret.git")), _URL),
    "a relative path": (text(git(url="../secret.git")), _URL),
    # Addresses that no alias of the project stands for.
    "an address without an alias": (text(git(url="https://example.org/x.git")), _URL),
    "a program of git's": (text(git(url="ext::sh -c id")), _URL),
    "an scp address": (text(git(url="git@example.org:x.git")), _URL),
    "a bare word": (text(git(url="alpha")), _URL),
    "no path below the alias": (text(git(url="upstream:")), _URL),
    "no url": (text({"kind": "git", "track": "main", "ref": COMMIT}), _URL),
    # Paths below an alias.
    "a way up": (text(git(url="upstream:../secret.git")), _URL),
    "a way up within": (text(git(url="upstream:x/../../secret.git")), _URL),
    "a way up at the end": (text(git(url="upstream:x/..")), _URL),
    "a way up in escapes": (text(git(url="upstream:%2e%2e/secret.git")), _URL),
    "a path from the root": (text(git(url="upstream:/x.git")), _URL),
    "another host behind slashes": (text(git(url="upstream://example.org/x.git")), _URL),
    "a query": (text(remote(url="upstream:x?y")), _URL),
    "a fragment": (text(remote(url="upstream:x#y")), _URL),
    "an account": (text(git(url="upstream:user:secret@x.git")), _URL),
    "a variable in the url": (text(git(url="upstream:%{project-name}.git")), _URL),
    "a line end": (text(git(url="upstream:x\ny.git")), _URL),
    "a null character": (text(git(url="upstream:x\0y.git")), _URL),
    "a blank": (text(git(url="upstream:x y.git")), _URL),
    "letters that look alike": (text(git(url="upstream:\u0430lpha.git")), _URL),
    "a very long url": (text(git(url="upstream:" + "x" * 2000)), _URL),
    "a list as the url": (text(git(url=["upstream:x"])), _URL),
    # What is tracked and fetched.
    "a way up in the track": (text(git(track="refs/heads/../../x")), _TRACK),
    "a reflog in the track": (text(git(track="main@{1}")), _TRACK),
    "a blank in the track": (text(git(track="main --output=x")), _TRACK),
    "a line end in the track": (text(git(track="main\nx")), _TRACK),
    "a variable in the track": (text(git(track="%{branch}")), _TRACK),
    "a glob where git takes a name": (text(git(track="*")), _TRACK),
    "an option as a glob": (text(git(kind="git_repo", track="--upload-pack=*")), _TRACK),
    "an option among excludes": (
        text({"kind": "git_repo", "url": "upstream:x", "ref": COMMIT, "exclude": ["-x"]}),
        "sources[0].exclude",
    ),
    "an option as the ref": (text(git(ref="--output=/tmp/x")), "sources[0].ref"),
    "a branch as the ref": (text(git(ref="main")), "sources[0].ref"),
    "a mapping as the ref": (text(git(ref={"a": "b"})), "sources[0].ref"),
    "another checksum": (text(remote(ref="2" * 40)), "sources[0].ref"),
    # Where it is staged.
    "a directory above": (text(git(directory="../x")), _DIRECTORY),
    "a directory above, within": (text(git(directory="x/../../y")), _DIRECTORY),
    "a directory from the root": (text(git(directory="/etc")), _DIRECTORY),
    "a variable as the directory": (text(git(directory="%{prefix}")), _DIRECTORY),
    "an option as the directory": (text(git(directory="-x")), _DIRECTORY),
    "a file name above": (text(remote(filename="../x")), "sources[0].filename"),
    "a file name from the root": (text(remote(filename="/etc/passwd")), "sources[0].filename"),
    "a base directory above": (
        text({"kind": "tar", "url": "upstream:x", "ref": DIGEST, "base-dir": "../*"}),
        "sources[0].base-dir",
    ),
    # Submodules.
    "a submodule's path above": (
        text(git(submodules={"../x": {"url": "upstream:x"}})),
        "sources[0].submodules",
    ),
    "a submodule at an option": (
        text(git(submodules={"x": {"url": "--upload-pack=touch"}})),
        "sources[0].submodules[x].url",
    ),
    "a submodule at a local repository": (
        text(git(submodules={"x": {"url": "file:///srv/secret.git"}})),
        "sources[0].submodules[x].url",
    ),
    "a submodule with more": (
        text(git(submodules={"x": {"update": "!touch /tmp/x"}})),
        "sources[0].submodules[x].update",
    ),
    # Plugins and what else may run or be read.
    "a local source": (text({"kind": "local", "path": "/etc"}), "sources[0].kind"),
    "a patch": (text({"kind": "patch", "path": "x"}), "sources[0].kind"),
    "a workspace": (text({"kind": "workspace", "path": "/etc"}), "sources[0].kind"),
    "a plugin that runs cargo": (text({"kind": "gen_cargo_lock", "url": "upstream:x"}), "sources[0].kind"),
    "a kind behind a junction": (text({"kind": "sub.bst:git", "url": "upstream:x"}), "sources[0].kind"),
    "a kind that is a list": (text({"kind": ["git"], "url": "upstream:x"}), "sources[0].kind"),
    "large files": (
        text({"kind": "git_tag", "url": "upstream:x", "ref": COMMIT, "use-lfs": "true"}),
        "sources[0].use-lfs",
    ),
    "a regular expression": (
        text(git(**{"version-guess-pattern": "(a+)+$"})),
        "sources[0].version-guess-pattern",
    ),
    "a second source": (text(git(), git(url="file:///x")), "sources[1].url"),
    # The element.
    "a junction": (text(git()).replace('"import"', '"junction"'), "kind"),
    "a link": (text(git()).replace('"import"', '"link"'), "kind"),
    "plugins of its own": (text(git(), plugins=[{"origin": "local"}]), "plugins"),
    "variables": (text(git(), variables={"x": "y"}), "variables"),
    "aliases": (text(git(), aliases={"x": "file:///"}), "aliases"),
    "an include": (text(git(), **{"(@)": ["/etc/passwd"]}), "(@)"),
    "a condition": (text(git(), **{"(?)": []}), "(?)"),
    "an include within": (text(git(), config={"a": [{"(@)": "x"}]}), "config.a[0].(@)"),
    "an include in a source": (text(git(**{"(@)": "x"})), "sources[0].(@)"),
    "appended sources": ('{"kind": "import", "sources": {"(>)": []}}', "sources"),
    "no sources": ('{"kind": "import"}', "sources"),
    "too many sources": (text(*[git()] * 21), "sources"),
    # The text.
    "no YAML": ("kind: [", ""),
    "no mapping": ("- kind: import", ""),
    "an alias bomb": ("a: &a [x, x]\nb: &b [*a, *a]\nkind: import\nsources: [*b]\n", ""),
    "a merge": ("x: &x {kind: git}\nkind: import\nsources:\n- <<: *x\n", ""),
    "a key twice": ("kind: import\nkind: junction\nsources: []\n", ""),
    "a second document": ("kind: import\n---\nkind: junction\n", ""),
    "a tag": ("kind: !python/object/apply:os.system import\n", ""),
    "too deep": (f"kind: import\nconfig: {'{a: ' * 70}{'}' * 70}\n", ""),
    "too large": (text(git(), description="x" * 70_000), ""),
}

# Refused by what the aliases of the project stand for; `ALIASES` come to those of the demo's project.
ALIASES = {
    "plain": "http://example.org/",
    "shell": "ssh://git@example.org/",
    "scp": "git@example.org:",
    "files": "file:///srv/",
    "any": "https://",
    "host": "https://example.org",
    "account": "https://user:secret@example.org/",
    "loopback": "http://127.0.0.1:9/",
}
BY_ALIAS: dict[str, tuple[str, str]] = {
    "an unknown alias": (text(git(url="nobody:x.git")), _URL),
    "an alias for a scheme of files": (text(git(url="files:x.git")), _URL),
    "an alias over http": (text(git(url="plain:x.git")), _URL),
    "an alias over http on this machine that the operator does not name": (text(git(url="loopback:x")), _URL),
    "an alias over ssh": (text(git(url="shell:x.git")), _URL),
    "an alias in scp form": (text(git(url="scp:x.git")), _URL),
    "an alias for every host": (text(git(url="any:example.org/x.git")), _URL),
    "an alias whose host goes on": (text(git(url="host:.evil.example/x.git")), _URL),
    "an alias with an account": (text(git(url="account:x.git")), _URL),
    "a submodule over ssh": (
        text(git(submodules={"x": {"url": "shell:x.git"}})),
        "sources[0].submodules[x].url",
    ),
}

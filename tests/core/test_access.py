import pytest

from hookfetch.core.access import SCOPES, Caller, grant

CI = Caller("ci", (grant(["read", "track"], ["gnome", "sdk@main"]), grant(["fetch"], ["free*"])))


@pytest.mark.parametrize("project", ["gnome", "gnome@main", "gnome@release%2F1", "sdk@main"])
def test_a_grant_covers_a_project_and_by_its_name_alone_each_of_its_branches(project: str) -> None:
    assert CI.may("read", project)
    assert CI.knows(project)
    assert not CI.may("fetch", project)


@pytest.mark.parametrize("project", ["sdk", "sdk@next", "gnome-shell", "", "Gnome", "nix"])
def test_what_no_grant_covers_does_not_exist(project: str) -> None:
    assert not CI.knows(project)
    assert not any(CI.may(scope, project) for scope in SCOPES)


def test_globs_reach_projects_and_their_branches() -> None:
    assert CI.may("fetch", "freedesktop@main")
    assert not CI.may("read", "freedesktop@main")
    assert Caller("all", (grant(SCOPES, ["*"]),)).may("admin", "any@branch%2Fwith%2Fslashes")


def test_nobody_may_anything_without_a_grant() -> None:
    nobody = Caller("nobody", ())
    assert not any(nobody.may_somewhere(scope) for scope in SCOPES)
    assert not Caller("none", (grant([], ["*"]),)).knows("gnome")

"""Announced refs written into a checkout of their project: which files change, and how: `hookfetch updates`.

`planning` decides and is pure, given the checkout's texts; `checkout` reads and writes files of one folder.
"""

from hookfetch.updates.checkout import Checkout
from hookfetch.updates.diffs import unified_diff
from hookfetch.updates.places import project_name
from hookfetch.updates.planning import Edited, Plan, plan

__all__ = ["Checkout", "Edited", "Plan", "plan", "project_name", "unified_diff"]

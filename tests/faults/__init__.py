"""A service in many processes, a seeded plan of kills, freezes and full disks, replays meanwhile, and the
count of what became of every delivery. `python -m tests.faults --help`; a short run is a test.
"""

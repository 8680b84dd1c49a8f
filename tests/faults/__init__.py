"""A service in many processes, a seeded plan of kills and freezes, and the count of what became of
every delivery. `python -m tests.faults --help`; a short run is a test.
"""

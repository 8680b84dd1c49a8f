"""`hookfetch inspect …`: saved input judged as the service would, one JSON line in and one out.

It sends nothing and stores nothing. A line that cannot be judged gets an answer with a reason, so that
the others are still judged.
"""

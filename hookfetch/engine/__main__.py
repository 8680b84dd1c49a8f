"""Start a worker process: `python -m hookfetch.engine`, as only the engine's supervisor does.

A package's `__main__` is not imported again by multiprocessing's children, unlike any other
main module: each download of a tar source is such a child, and would import all of BuildStream.
"""

import sys

if __name__ == "__main__":
    import hookfetch.engine.egress.guarded_sockets  # these two bound where this process connects,
    import hookfetch.engine.patience  # noqa: F401 - and for how long it waits
    from hookfetch.engine.worker import main

    try:
        main()
    except BrokenPipeError:
        sys.exit(1)  # the supervisor is gone, and with it whoever wanted the reply

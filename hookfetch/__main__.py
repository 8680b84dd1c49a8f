"""`python -m hookfetch` is the command."""

from hookfetch.cli import main

if __name__ == "__main__":
    main()

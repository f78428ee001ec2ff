"""`python -m cli` is `dag`."""

from cli.main import main

main()

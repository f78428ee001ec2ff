"""`python -m local`: the whole service on this machine. See stack.py."""

import sys

from local.supervisor import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

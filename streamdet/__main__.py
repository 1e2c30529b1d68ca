"""python -m streamdet: the same as the command streamdet."""

import sys

from streamdet.cli import main

if __name__ == "__main__":
    sys.exit(main())

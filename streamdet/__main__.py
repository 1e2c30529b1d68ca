"""The command streamdet, also as python -m streamdet."""

import sys


def main() -> int:
    """Run the command line; Ctrl-C while it is still being loaded ends it quietly, too."""
    try:
        from streamdet.cli import main as run_command

        return run_command()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())

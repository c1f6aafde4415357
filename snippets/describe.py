"""Print what a checkpoint holds, without torch: ``python -m snippets.describe model.pth``."""

import argparse
import os
import sys

from .state_dict import describe

HELP = "Print what a checkpoint holds: names, shapes, dtypes, and the layers that store them."


def main(argv=None):
    """Describe the file that the command line names; return the exit code.

    0: described. 1: the file can't be read; standard error names it and the reason.
    2, by argparse: wrong usage.
    """
    parser = argparse.ArgumentParser("python -m snippets.describe", description=HELP)
    parser.add_argument("path", help="a .pt, .pth, .safetensors or .npz file; its content decides")
    path = parser.parse_args(argv).path
    from .checkpoints import load

    try:
        text = describe(load(path))
    except (OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return show(text)


def show(text):
    """Print a text on any terminal, or into a pipe that may close; return the exit code."""
    # What the terminal's encoding has no character for comes as an escape.
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:  # as in `| head`: it has what it wanted
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


if __name__ == "__main__":
    sys.exit(main())

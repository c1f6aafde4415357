"""``python -m snippets.port model.pt2 my_model``: write a program, without torch."""

import argparse
import sys

from . import PortError, port_file


def main(arguments=None):
    """Write the program of a .pt2; return 0, or 1 with the reason on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m snippets.port",
        description="Write the NumPy program of what torch.export.save wrote. Needs NumPy alone, "
        "and executes nothing of the file.",
        epilog="The file comes from torch.export.save(torch.export.export(model, args)"
        '.run_decompositions({}), "model.pt2"). With PyTorch and the model at hand, '
        "snippets.port.port(model, args) writes the program and compares it with the model, too.",
    )
    parser.add_argument("file", help="a .pt2")
    parser.add_argument("folder", nargs="?", default="my_model", help="my_model, if not given")
    given = parser.parse_args(arguments)
    try:
        folder = port_file(given.file, given.folder)
    except PortError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"wrote {folder}, and compared it with nothing: the file holds no outputs")
    print(f"python -m {folder.name} --against recorded.npz compares it with a recording")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Files that lie within a folder or within another file, and none outside."""

import os
from pathlib import PurePosixPath

from .torch_file import CheckpointError, mapped, read_zip, window


def path_inside(folder, name):
    """Return the path of a file of a folder, whatever name a checkpoint gives."""
    parts = PurePosixPath(name).parts
    if not parts or parts[0] == "/" or ".." in parts or "\\" in name or ":" in name:
        raise CheckpointError(f"{name!r} would lie outside of the folder")
    path = os.path.join(folder, *parts)
    if not os.path.isfile(path):
        raise CheckpointError(f"{name!r} is not in the folder: was it not downloaded?")
    return path


def inside(folder, name):
    """Return the bytes of a file of a folder, a window on it."""
    path = path_inside(folder, name)
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        return window(mapped(file) if size else b"", 0, size)


class Inside:
    """Bytes, open as a file is: zipfile reads the end of them, and copies no more."""

    def __init__(self, raw):
        self.raw, self.at = raw, 0

    def seek(self, offset, whence=0):
        """Go to a byte, counted from the beginning, from here or from the end."""
        at = (0, self.at, len(self.raw))[whence] + offset
        if at < 0:
            raise OSError("before the beginning")
        self.at = at

    def tell(self):
        """Return where it is."""
        return self.at

    def read(self, size=None):
        """Return the bytes that follow."""
        found = bytes(self.raw[self.at :][:size])
        self.at += len(found)
        return found


def read_inside(raw):
    """Return the object of a file of torch.save that lies within another file."""
    return read_zip(Inside(raw), memoryview(raw))

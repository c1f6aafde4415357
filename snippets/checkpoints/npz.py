"""``.npz`` as it should be read from others: no pickles, nothing trusted, all in memory."""

import math
import os
import stat
import warnings
import zipfile
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# Weights hardly compress. What unpacks to more than this many times the file's
# size, and to more than some bytes, was made to fill your memory.
RATIO, ANYWAY = 100, 2**26
CHUNK = 2**20


def load_npz(path: str | PathLike[str]) -> dict[str, NDArray[Any]]:
    """Return ``{name: array}``, as ``dict(np.load(path, allow_pickle=False))``.

    Unlike ``np.load`` it believes no header: an array is made once its member
    is known to have the bytes for it.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    dict of str to array

    Raises
    ------
    ValueError
        The file is damaged, holds pickled objects or something else than
        arrays, or would unpack to more than 100 times its size.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError(f"{path}: this is no file, but a folder, a pipe or a device")
    with open(path, "rb") as file:
        try:
            return read_members(file, os.path.getsize(path))
        except Exception as error:  # whatever damaged bytes lead to
            reason = str(error) or type(error).__name__
            raise ValueError(f"{path}: {reason}") from error


def read_members(file, size):
    """Return the arrays of an open zip archive of size bytes."""
    if file.read(4) not in (b"PK\3\4", b"PK\5\6"):
        raise ValueError("it does not begin as an .npz file does, which is a zip archive")
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        before = min((member.header_offset for member in members), default=0)
        if before:
            raise ValueError(f"{before} bytes stand before its zip: several files in one?")
        total = sum(member.file_size for member in members)
        if total > max(RATIO * size, ANYWAY):
            raise ValueError(
                f"its {size} bytes unpack to {total}: np.load reads it, if you trust where it "
                "comes from"
            )
        arrays = {}
        for member in members:
            name = member.filename.removesuffix(".npy")
            if name == member.filename:
                raise ValueError(f"{name!r} is no array: its name does not end in .npy")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{name!r} is compressed in a way that NumPy does not write")
            if name in arrays:
                raise ValueError(f"{name!r} occurs twice")
            with archive.open(member) as data:
                arrays[name] = read_array(name, data, member.file_size)
        return arrays


def read_array(name, file, size):
    """Return the array of an .npy file of size bytes."""
    version = np.lib.format.read_magic(file)
    if version not in HEADERS:
        raise ValueError(f"{name!r} has an array header of version {version}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote
        shape, fortran, dtype = HEADERS[version](file)
    if dtype.hasobject:
        raise ValueError(
            f"{name!r} holds Python objects, and unpickling can run code: save numbers, one array "
            "a name, np.savez(path, **state)"
        )
    left = size - file.tell()
    fits = min(shape, default=0) >= 0 and math.prod(shape) * dtype.itemsize == left
    if not fits or not dtype.itemsize:
        raise ValueError(f"{name!r}, {dtype} of shape {shape}, does not fit its {left} bytes")

    data = np.empty(left, np.uint8)
    for start in range(0, left, CHUNK):
        chunk = data[start : start + CHUNK]
        if file.readinto(chunk) != len(chunk):
            raise ValueError(f"{name!r} ends early")
    return np.ndarray(shape, dtype, data, order="F" if fortran else "C")


def save_npz(path: str | PathLike[str], arrays: Mapping[str, ArrayLike]) -> None:
    """Write what ``np.load`` reads, at path itself: no ``.npz`` is appended.

    Unlike ``np.savez`` it never pickles, and takes any name, ``file`` too.

    Parameters
    ----------
    path : str or path
    arrays : mapping of str to array
        Written in C order, whatever their strides.

    Raises
    ------
    ValueError
        An array of Python objects, or a name that a zip archive cannot hold.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        if array.dtype.hasobject:
            raise ValueError(f"{name!r} holds Python objects, which .npz would have to pickle")
        if not isinstance(name, str) or zipfile.ZipInfo(name).filename != name:
            raise ValueError(f"{name!r} is no name that .npz can hold")
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                array = np.asarray(array, order="C")
                np.lib.format.write_array(file, array, allow_pickle=False)

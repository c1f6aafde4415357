"""What the tests of the readers share: files that go wrong, and the rule that a reader keeps.

The suite tries some hundred broken files; more are a matter of patience:

    FUZZ=100000 pytest -k fuzz tests/checkpoints
"""

import os
import random
import tracemalloc

FUZZ = int(os.environ.get("FUZZ", "300"))
MEMORY = 2**20  # what a reader may need beside the arrays of a small file


def refusal(reader, path):
    """Return the reason a reader gives, None if it reads the file; nothing else is allowed."""
    try:
        reader(path)
    except ValueError as error:
        message = str(error)
    else:
        return None
    file, _, reason = message.partition(f"{path}: ")
    assert not file
    assert reason.strip()
    return reason


def peak(function, *args):
    """Return the memory that Python and NumPy allocated at most during a call, in bytes."""
    tracemalloc.start()
    try:
        function(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def mutants(original, head=None):
    """Give FUZZ damaged versions of some bytes; most of the damage hits the first head bytes."""
    rng = random.Random(0)
    for _ in range(FUZZ):
        data = bytearray(original)
        for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
            end = rng.choice([head or len(data), len(data)])
            at = rng.randrange(min(end, len(data)) or 1)
            match rng.randrange(6):
                case 0:
                    data[at : at + 1] = bytes([rng.randrange(256)])
                case 1:
                    data[at : at + 1] = rng.choice(b'0123456789-[]{}",:\\ .eE').to_bytes()
                case 2:
                    data[at : at + 1] = bytes([data[at] ^ 1 << rng.randrange(8)] if data else [])
                case 3:
                    del data[at : at + rng.choice([1, 1, 4, 50])]
                case 4:
                    data[at:at] = data[at : at + rng.choice([1, 2, 20])]
                case _:
                    other = rng.randrange(len(data) or 1)
                    length = rng.choice([1, 4, 8])
                    data[at : at + length] = data[other : other + length]
        yield bytes(data)


def assert_cut_off_anywhere_is_refused(reader, path, step=1):
    """Fail if a reader takes the beginning of a file for the whole."""
    whole = path.read_bytes()
    for length in range(0, len(whole), step):
        path.write_bytes(whole[:length])
        assert refusal(reader, path), length
    path.write_bytes(whole)


def assert_broken_ones_are_refused_or_read(reader, path, head=None):
    """Fail if damage leads to anything but a result or a reason."""
    whole = path.read_bytes()
    read = 0
    for data in mutants(whole, head):
        path.write_bytes(data)
        read += not refusal(reader, path)
    path.write_bytes(whole)
    assert read < FUZZ

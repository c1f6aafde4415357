"""The code that the pages show: NumPy and the standard library only."""

"""The network of the question, in PyTorch and in NumPy."""

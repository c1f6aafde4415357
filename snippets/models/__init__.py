"""Published architectures in NumPy, inference only, weights as their checkpoints store them."""

"""torch.nn in NumPy, inference only: one file a layer, each runs alone."""

"""One recipe for each layer, its weights as ``state_dict()`` holds them."""

"""A small synthetic marketplace, as messy as a real one, from a seed."""

"""The Python interface: what `from market import …` offers. It has no logic of its own."""

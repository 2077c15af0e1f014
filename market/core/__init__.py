"""The lowest layer: files, settings, the command line, processes and torch."""

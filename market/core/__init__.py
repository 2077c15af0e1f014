"""What every layer stands on: files, settings, the command line, processes, torch."""

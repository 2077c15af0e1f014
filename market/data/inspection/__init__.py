"""Detectors of how an export is written, one module per question, and the report on it."""

"""Metrics as tables and pages."""

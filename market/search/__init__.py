"""Retrieving, ranking and recommending listings."""

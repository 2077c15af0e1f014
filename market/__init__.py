"""Finds, recommends and ranks the listings of a marketplace."""

"""Listings, photos and events: read, checked, cleaned, grouped and split."""

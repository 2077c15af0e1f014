"""The search service and its page."""

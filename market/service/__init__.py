"""The HTTP API over the search engine, and its page."""

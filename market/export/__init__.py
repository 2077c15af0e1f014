"""Exports for other systems: python -m market.export embeddings|predictions|recommendations."""

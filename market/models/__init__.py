"""Models of category and price, from text and photos."""

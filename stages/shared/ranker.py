"""Stand-in: the signals' words only."""

from __future__ import annotations

# A signal's name and what a person is told: "why this".
SIGNALS = {
    "words": "has your words",
    "meaning": "means what you wrote",
    "looks": "looks like your photo",
    "together": "goes with what you looked at",
    "next": "often comes next",
    "category": "a category you like",
    "price_level": "your price range",
    "style": "reads like what you looked at",
    "look": "looks like what you looked at",
    "near": "near you",
    "popular": "popular",
    "trending": "popular these days",
    "fresh": "newly listed",
    "fair": "a fair price",
}

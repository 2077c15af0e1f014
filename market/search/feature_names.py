"""The ranker's features: their names, the texts that explain them, and their prior weights."""

from __future__ import annotations

# A feature's name and the text that explains it to users. A column "name.detail" is one more
# measure of the feature `name`, explained by the same text.
FEATURE_TEXTS = {
    "bm25": "matches your words",
    "text_similarity": "similar meaning",
    "image_similarity": "similar to your photo",
    "co_occurrence": "often viewed with what you viewed",
    "next_item": "often viewed next by users like you",
    "user_category": "a category you like",
    "user_price": "your price range",
    "user_text_similarity": "similar to what you viewed",
    "user_image_similarity": "photos similar to what you viewed",
    "proximity": "near you",
    "popularity": "popular",
    "trending": "trending",
    "recency": "newly listed",
    "price_fairness": "a fair price",
}
# Texts that differ from FEATURE_TEXTS in a search by words, and in a search by a listing.
SEARCH_TEXTS = {"image_similarity": "similar photos"}  # similar to the best matches' photos
# Of what is shown below the cut-off of relevance, where the others would promise too much.
RELATED_TEXTS = {
    "bm25": "has some of your words",
    "text_similarity": "loosely related",
    "image_similarity": "loosely related",
}
SIMILAR_TEXTS = {"text_similarity": "similar description", "image_similarity": "similar photos"}

# How well a listing matches the query.
MATCH_FEATURES = ("bm25", "text_similarity", "text_similarity.neighbours", "image_similarity")


def rank_detail(feature: str) -> str:
    """Return the name of the detail that holds the reciprocal rank of a feature.

    Examples
    --------
    >>> rank_detail("bm25"), rank_detail("text_similarity.neighbours")
    ('bm25.reciprocal_rank', 'text_similarity.neighbours_reciprocal_rank')
    """
    return f"{feature}{'_' if '.' in feature else '.'}reciprocal_rank"


# With what is derived from these for a query in words (`market.search.query_features`).
QUERY_FEATURES = (
    *MATCH_FEATURES,
    *map(rank_detail, MATCH_FEATURES),
    "bm25.phrase",
    "bm25.covered",
    "text_similarity.uncovered",
    "text_similarity.unknown",
    "text_similarity.short",
)
# The same for all users. The trees may use these in either direction; more of any other feature
# never lowers a score.
LISTING_FEATURES = ("popularity", "trending", "recency", "price_fairness")
SEARCH_FEATURE = "bm25"  # which only searches in words have
NEW_USER = ".new_user"  # suffix of a feature of users without a history

PRIOR = {
    # The query outweighs the user: its weights are half of the sum for a user with a history.
    # Chosen on names of train listings, and on names of categories with few listings and of upper
    # levels, which no evaluation uses (docs/experiments.md).
    "bm25": 6.0,
    "bm25.phrase": 4.0,
    "text_similarity": 6.0,
    "text_similarity.neighbours": 4.0,  # mean of both of these over the most similar listings
    "image_similarity": 2.0,
    **{rank_detail(name): 1.0 for name in MATCH_FEATURES},
    # A weight of 0 grows only if queries or a log show that the feature helps.
    "bm25.covered": 0.0,
    "text_similarity.uncovered": 0.0,
    "text_similarity.unknown": 0.0,
    "text_similarity.short": 0.0,
    # The log of MovieLens 100k gave these four weights, rounded.
    "co_occurrence": 1.5,
    "co_occurrence.recent": 2.0,
    "co_occurrence.factors": 1.5,
    "next_item": 2.0,
    # A listing's own features say less than other users' choices. They matter where there are no
    # choices: for new listings and in new marketplaces.
    "user_category": 1.2,
    "user_text_similarity": 1.2,
    "user_image_similarity": 0.9,
    "user_price": 0.6,
    "proximity": 0.6,
    # For users with a history these only break ties.
    "popularity": 0.6,
    "trending": 0.6,
    "trending.hours": 0.0,
    "trending.day": 0.0,
    "trending.month": 0.0,
    "popularity.new_user": 0.6,
    "trending.new_user": 0.6,
    "trending.hours.new_user": 0.0,
    "trending.day.new_user": 0.0,
    "trending.month.new_user": 0.0,
    "recency": 0.3,
    "price_fairness": 0.3,
}
# Weights of MATCH_FEATURES that choose the listings for pseudo-relevance feedback.
FEEDBACK = {
    "bm25": 6.0,
    "text_similarity": 4.0,
    "text_similarity.neighbours": 2.0,
    "image_similarity": 6.0,
}

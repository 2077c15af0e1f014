"""The settings of the stages of search: their sections of params.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from market.core.section import Count, NotNegative, Proportion, Section, Seed


class Index(Section):
    """Settings of stage index."""

    encoder: Annotated[
        str,
        Field(
            pattern=r"^\w[\w.-]*$",
            description="all-MiniLM-L6-v2, or the name of a folder in models/pretrained",
        ),
    ]
    factory: Annotated[str, Field(min_length=1, description="a description that FAISS knows")]
    search_effort: Count
    n_components: Count
    colour_weight: NotNegative
    seed: Seed


class Rank(Section):
    """Settings of stage rank."""

    known_items: Count
    max_searches: Count
    max_users: Count
    test_share: Proportion
    seed: Seed


class Evaluate(Section):
    """Settings of stage evaluate."""

    max_searches: Count
    max_users: Count
    seed: Seed


class Analyse(Section):
    """Settings of stage analyse."""

    min_users: Count

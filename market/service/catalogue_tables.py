"""The tables of the live catalogue: changed listings, their photos and their vectors."""

from __future__ import annotations

import sqlalchemy as sa

from market.data.ids import LONGEST_ID

DIGEST_LENGTH = 64  # hexadecimal digits of a SHA-256
KEY_LENGTH = 80  # a digest with a prefix

_METADATA = sa.MetaData()

# One row: the number of the last change. A writer updates it first and so holds its lock until the
# commit. Numbers therefore become visible in their order, and a reader that asks for all changes
# above the last number that it saw never misses one.
COUNTER = sa.Table(
    "catalogue_counter",
    _METADATA,
    sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False),
    sa.Column("number", sa.BigInteger(), nullable=False),
)
LISTINGS = sa.Table(
    "catalogue_listings",
    _METADATA,
    sa.Column("product_id", sa.String(LONGEST_ID), primary_key=True),
    sa.Column("number", sa.BigInteger(), nullable=False),
    sa.Column("kind", sa.String(10), nullable=False),
    sa.Column("fields", sa.Text(), nullable=False),  # JSON
    sa.Column("photos", sa.Text(), nullable=False),  # JSON
    sa.Column("keeps_raw_photos", sa.Boolean(), nullable=False),
    sa.Column("created", sa.DateTime(), nullable=False),  # UTC, of the first change
    sa.Column("expires_at", sa.DateTime()),  # UTC
    sa.Column("prediction", sa.Text()),  # JSON
    sa.Index("catalogue_listings_by_number", "number", unique=True),
)
LISTING_PHOTOS = sa.Table(
    "catalogue_listing_photos",
    _METADATA,
    sa.Column("product_id", sa.String(LONGEST_ID), primary_key=True),
    sa.Column("sha256", sa.String(DIGEST_LENGTH), primary_key=True),
    sa.Index("catalogue_listing_photos_by_sha256", "sha256"),
)
PHOTOS = sa.Table(
    "catalogue_photos",
    _METADATA,
    sa.Column("sha256", sa.String(DIGEST_LENGTH), primary_key=True),
    sa.Column("square", sa.LargeBinary(), nullable=False),  # JPEG, which the models read
    sa.Column("small", sa.LargeBinary(), nullable=False),  # JPEG for display
    sa.Column("large", sa.LargeBinary(), nullable=False),  # JPEG for display
    sa.Column("small_width", sa.Integer(), nullable=False),
    sa.Column("small_height", sa.Integer(), nullable=False),
    sa.Column("large_width", sa.Integer(), nullable=False),
    sa.Column("large_height", sa.Integer(), nullable=False),
)
VECTORS = sa.Table(
    "catalogue_vectors",
    _METADATA,
    sa.Column("key", sa.String(KEY_LENGTH), primary_key=True),
    sa.Column("encoder", sa.String(DIGEST_LENGTH), primary_key=True),
    sa.Column("vector", sa.LargeBinary(), nullable=False),  # float32, little-endian
)
TABLES = (COUNTER, LISTINGS, LISTING_PHOTOS, PHOTOS, VECTORS)

"""Columns of paths and URLs are split as the seller's system joined them."""

from __future__ import annotations

import pytest

from market.data.photo_references import (
    canonical_url,
    fetched_name,
    is_url,
    split_references,
)

CDN = "https://cdn.example/w_200,h_200/a;1|2.jpg"


@pytest.mark.parametrize(
    ("value", "separator", "expected"),
    [
        ("a.jpg", ",", ["a.jpg"]),
        ("a.jpg, b.jpg,,c d.jpg", ",", ["a.jpg", "b.jpg", "c d.jpg"]),
        ("a.jpg|b.jpg", "|", ["a.jpg", "b.jpg"]),
        ("a.jpg ; b.jpg", ";", ["a.jpg", "b.jpg"]),
        ("a.jpg  b.jpg\tc.jpg", " ", ["a.jpg", "b.jpg", "c.jpg"]),
        ("a.jpg\nb.jpg\n", "\n", ["a.jpg", "b.jpg"]),
        ("a.jpg || b.jpg", "||", ["a.jpg", "b.jpg"]),
        ('["a.jpg", "b,c.jpg"]', ",", ["a.jpg", "b,c.jpg"]),
        ("['a.jpg', 'b.jpg']", "|", ["a.jpg", "b.jpg"]),
        ('[{"id": 1, "url": "//x.example/a.jpg"}, {"id": 2}]', ",", ["//x.example/a.jpg"]),
        ("[]", ",", []),
        ("[a.jpg", ",", ["[a.jpg"]),
        (" , ", ",", []),
        ('"a.jpg","b.jpg"', ",", ["a.jpg", "b.jpg"]),
        (f"{CDN},{CDN}", ",", [CDN, CDN]),
        (f"{CDN};{CDN}", ";", [CDN, CDN]),
        (f"{CDN} | {CDN}", "|", [CDN, CDN]),
        (f"{CDN} {CDN}", " ", [CDN, CDN]),
        (f"{CDN}, HTTP://other.example/b.png", ",", [CDN, "HTTP://other.example/b.png"]),
    ],
)
def test_a_field_is_split_into_references(value: str, separator: str, expected: list[str]) -> None:
    assert split_references(value, separator) == expected


def test_urls_are_told_from_paths() -> None:
    assert all(map(is_url, ("http://a/b.jpg", "HTTPS://a/b", "//cdn.example/b.jpg")))
    assert not any(map(is_url, ("a/b.jpg", "/a/b.jpg", "C:\\a.jpg", "ftp://a/b.jpg", "http.jpg")))


def test_one_address_has_one_file() -> None:
    url = canonical_url("//cdn.example/a.jpg?w=2#top")
    assert url == "https://cdn.example/a.jpg?w=2"
    assert fetched_name(url) == fetched_name(canonical_url("https://cdn.example/a.jpg?w=2"))
    assert fetched_name(url) != fetched_name("https://cdn.example/a.jpg?w=3")

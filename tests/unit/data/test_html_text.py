"""HTML in texts of listings becomes plain text; texts that only look like it stay."""

from __future__ import annotations

import time

import pandas as pd
import pytest
from raw_input import input_settings

from market.data.html_text import count_html, html_to_text
from market.data.listings import clean_description, clean_products, html_counts


def plain(text: str | None) -> str:
    return html_to_text(pd.Series([text], dtype="str")).iloc[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>Solid <b>oak</b> table.</p>", "Solid oak table."),
        ("Blue<br>sofa<BR/>bed<br />", "Blue\nsofa\nbed"),
        ("<div class='a'>Oak</div><div>Ash</div>", "Oak\nAsh"),
        ("<ul><li>one</li><li>two</li></ul>", "* one\n  * two"),
        ("<p>Oak</p><script>alert('x')</script><style>p {}</style>", "Oak"),
        ("<!-- note --><p>Oak</p>", "Oak"),
        ('<a href="mailto:ann@example.com">Mail us</a>', "Mail us"),
        ("<p>5 &lt; 6 &amp; 7&nbsp;cm &euro;5 &#38; &#x1F600;</p>", "5 < 6 & 7 cm €5 & 😀"),
        ("Tom &amp; Jerry&#39;s", "Tom & Jerry's"),
        ("&lt;p&gt;Oak &amp;amp; ash&lt;/p&gt;", "Oak & ash"),
        ("<![CDATA[<p>Oak</p>]]>", "Oak"),
        ("<?xml version='1.0' encoding='utf-8'?><p>Oak</p>", "Oak"),
        ("1 < 2 <br> 3 > 2", "1 < 2\n3 > 2"),
        ("<p>日本語<br>テスト</p>", "日本語\nテスト"),
        ("<p>not closed <b>bold", "not closed bold"),
    ],
)
def test_html_becomes_text(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a < b",
        "a <b and c> d",
        "<3 this sofa",
        "5<6>4",
        "send <code> to <title>",
        "AT&T; R&D; fish & chips",
        "&bogus; &#0; &#55296; &",
        "",
    ],
)
def test_a_text_without_html_stays(text: str) -> None:
    assert plain(text) == text
    assert count_html(pd.Series([text])) == 0


def test_a_missing_text_stays_missing() -> None:
    assert html_to_text(pd.Series([None, "<b>x</b>"], dtype="str")).isna().tolist() == [True, False]


@pytest.mark.parametrize(
    "text",
    ['<p a="' * 16_000, "<p a='<p a=\"" * 9_000, "<p" + " a=b" * 24_000, "<div>" * 20_000,
     "<p>" + "<" * 90_000, "&amp;" * 20_000],
)  # fmt: skip
def test_no_text_takes_long(text: str) -> None:
    start = time.perf_counter()
    plain(text)
    assert time.perf_counter() - start < 3


def test_personal_data_in_html_is_masked() -> None:
    text = pd.Series(["<p>Call <b>07700</b> 900123<br>or ann&#64;example.com</p>"])
    assert clean_description(text).iloc[0] == "Call [phone]\nor [email]"


def test_every_text_of_a_listing_loses_its_html() -> None:
    rows = pd.DataFrame(
        {
            "id": ["1", "2"],
            "product_name": ["Oak &amp; ash <b>table</b>", "Chair"],
            "product_description": ["<p>Solid</p>", "a < b"],
            "category": ["Home &amp; Garden / Tables", "Home / Chairs"],
            "location": ["Tyne &amp; Wear", "Leeds"],
            "price": ["1", "2"],
        },
        dtype="str",
    )
    listings = clean_products(rows, placeholder_above=1e5, settings=input_settings())
    assert listings["name"].tolist() == ["Oak & ash table", "Chair"]
    assert listings["description"].tolist() == ["Solid", "a < b"]
    assert listings["category"].tolist() == ["Home & Garden", "Home"]
    assert listings["location"].tolist() == ["Tyne & Wear", "Leeds"]
    assert html_counts(rows) == {
        "product_name": 1, "product_description": 1, "category": 1, "location": 1,
    }  # fmt: skip


def test_entities_of_the_original_marketplace_stay() -> None:
    name = pd.Series(["Table | in Leeds | Gumtree"])
    text = pd.Series(["a 6&quot; table"])
    assert clean_description(text, name).iloc[0] == "a 6&quot; table"
    assert clean_description(text).iloc[0] == 'a 6" table'

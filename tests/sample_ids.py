"""Valid and invalid ids of products and users."""

from __future__ import annotations

from market.data.ids import ID_RULES, LONGEST_ID

ODD_IDS = [
    "SKU/12", "https://example.com/item/5?a=1&b=2#top", "trail/", "/lead", "a//b", "...", "a/.b/c",
    "..a", "x" * LONGEST_ID, "100%", "%2F", "%2e%2e", "a+b c", "café 🔥", "\"'`<b>&amp;", "a;b=c",
    "a\\b", "{product_id}", "~-._!$(),", "NA", "0", "similar/products",
]  # fmt: skip
TOO_LONG = f"has over {LONGEST_ID} characters"
UNREACHABLE = "has a control character or the path segment '.' or '..'"
REFUSED_IDS = {
    ".": UNREACHABLE, "..": UNREACHABLE, "a/../b": UNREACHABLE, "a/.": UNREACHABLE,
    "../a": UNREACHABLE, "a\tb": UNREACHABLE, "a\x7fb": UNREACHABLE, "a\x85b": UNREACHABLE,
    "a\x00b": UNREACHABLE, "x" * (LONGEST_ID + 1): TOO_LONG, "x/../" * 50: TOO_LONG,
}  # fmt: skip


def id_error(text: str) -> str | None:
    """Return the first rule that an id breaks, or None."""
    return next((message for message, rule in ID_RULES.items() if not rule.fullmatch(text)), None)

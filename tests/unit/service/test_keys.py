"""The list of API keys."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import SecretStr

from market.core.errors import MarketError
from market.service.keys import KeyRing
from market.service.settings import Settings

SHOP, PAGE = "shop-0123456789abcdef", "page-0123456789abcdef"
ENTRY = f"name: shop, key: {SHOP}, scopes: [read]"


def ring(text: str) -> KeyRing:
    return KeyRing.from_settings(Settings(api_keys=SecretStr(text)))


def test_without_settings_there_are_no_keys() -> None:
    assert not KeyRing.from_settings(Settings())


def test_keys_are_given_plain_or_hashed() -> None:
    digest = sha256(PAGE.encode()).hexdigest()
    keys = ring(f"[{{{ENTRY}}}, {{name: page, sha256: {digest}, scopes: [read, events]}}]")
    page = keys.find(PAGE)
    assert page is not None and page.name == "page" and page.scopes == ("read", "events")
    assert keys.find(digest) is None and keys.find("") is None and keys.find(SHOP[:-1]) is None
    assert SHOP not in repr(keys.find(SHOP))


def test_keys_may_stand_in_a_file(tmp_path: Path) -> None:
    for number, text in enumerate((f"keys:\n- {{{ENTRY}}}\n", f"- {{{ENTRY}}}\n")):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        assert ring(str(path)).find(SHOP) is not None


def test_the_old_key_has_all_scopes() -> None:
    settings = Settings(api_key=SecretStr(PAGE), api_keys=SecretStr(f"[{{{ENTRY}}}]"))
    keys = KeyRing.from_settings(settings)
    old, shop = keys.find(PAGE), keys.find(SHOP)
    assert old is not None and old.scopes == ("read", "events", "catalogue", "analytics")
    assert shop is not None and shop.scopes == ("read",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nowhere.yaml", "API_KEYS is neither the path of a file"),
        (SHOP, "API_KEYS is neither the path of a file"),
        ("[]", "has no key"),
        (f"[{{{ENTRY.replace('read', 'write')}}}]", "‘shop’: scopes.1 is 'write', must be 'read'"),
        (f"[{{{ENTRY.replace('scopes', 'scope')}}}]", "scope is unknown: did you mean scopes?"),
        (f"[{{{ENTRY}, limit: many}}]", "limit: must be such as 100/minute"),
        (f"[{{{ENTRY}, sha256: {'0' * 64}}}]", "needs key or sha256, and not both"),
        ("[{name: shop, scopes: [read]}]", "needs key or sha256"),
        ("[{name: shop, key: shop-0123, scopes: [read]}]", "must have at least 16"),
        ("[{name: shop, sha256: shop-0123, scopes: [read]}]", "sha256, String should match"),
        (f"[{{{ENTRY}}}, {{{ENTRY.replace('shop,', 'b,')}}}]", "two entries have the same key"),
        (f"[{{{ENTRY}}}, {{{ENTRY.replace('abc', 'xyz')}}}]", "two entries have the same name"),
    ],
)
def test_a_fault_is_one_line_without_the_key(text: str, message: str) -> None:
    with pytest.raises(MarketError) as raised:
        ring(text)
    line = str(raised.value)
    assert message in line and "\n" not in line
    assert SHOP not in line and "shop-0123" not in line


def test_a_limit_counts_each_key_apart() -> None:
    other = ENTRY.replace("shop", "other", 2)
    keys = ring(f"[{{{ENTRY}, limit: 2/minute}}, {{{other}, limit: 2 per hour}}]")
    shop = keys.find(SHOP)
    other_key = keys.find(SHOP.replace("shop", "other"))
    assert shop is not None and other_key is not None
    assert [keys.seconds_to_wait(shop) for _ in range(2)] == [0, 0]
    assert 55 <= keys.seconds_to_wait(shop) <= 60
    assert keys.seconds_to_wait(other_key) == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("shop.example", "'shop.example', which is no origin"),
        ("https://shop.example/", "is no origin"),
        ("null", "is no origin"),
        ("* https://shop.example", "has \\* beside other origins"),
    ],
)
def test_invalid_origins_give_a_one_line_error(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.setenv("CORS_ORIGINS", value)
    with pytest.raises(MarketError, match=f"CORS_ORIGINS='.*' names .*{message}|{message}"):
        Settings.from_environment()

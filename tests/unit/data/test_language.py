"""Words, stems and accents in many scripts: what a user types finds what a seller wrote."""

from __future__ import annotations

import unicodedata

import pytest
import Stemmer

from market.core.errors import MarketError
from market.core.languages import LANGUAGES, STEMMERS
from market.data.language import Language, strip_accents


def stems(code: str, text: str) -> list[str]:
    language = Language(code)
    return [language.stem(word) for word in language.words(text)]


def test_english_words_are_split_without_stop_words() -> None:
    english = Language("en")
    assert english.words("The OAK-table, of £5!") == ["oak", "table", "5"]
    assert english.words("x" * 99) == ["x" * 40]
    assert english.words("PlayStation™ 4") == ["playstation", "4"]


@pytest.mark.parametrize(
    ("code", "query", "text"),
    [
        ("de", "Stuhl", "Zwei Stühle aus Holz"),
        ("de", "Moebel", "alte Möbel"),
        ("de", "MÖBEL", "alte moebel"),
        ("de", "mobel", "alte Möbel"),
        ("de", "strasse", "Straße"),
        ("de", "STRASSE", "an der straße"),
        ("de", "Schränke", "ein Schrank"),
        ("fr", "tables", "une table électrique"),
        ("fr", "cafe", "machine à café"),
        ("en", "cafe", "a café table"),
        ("en", "café", "a cafe\u0301 table"),
        ("es", "sillas", "una silla"),
        ("es", "nino", "ropa de niño"),
        ("tr", "ışık", "IŞIK LAMBASI"),
        ("tr", "isik", "Işık"),
        ("tr", "istanbul", "İSTANBUL"),
        ("tr", "İstanbul", "istanbul'da"),
        ("pl", "lodka", "Łódka"),
        ("pl", "stol", "drewniany stół"),
        ("ru", "столы", "деревянный стол"),
        ("ru", "елка", "ёлка"),
        ("ar", "كتب", "كُتُب قديمة"),
        ("he", "שולחן", "שׁוּלְחָן עץ"),
        ("el", "τραπεζι", "ξύλινο τραπέζι"),
        ("uk", "стіл", "стіл дубовий"),
        ("hi", "साइकिल", "पुरानी साइकिल"),
        ("fa", "می‌خواهم", "می‌خواهم"),
        ("vi", "xe dap", "xe đạp cũ"),
        ("ko", "자전거", "자전거 팝니다"),
        ("ja", "自転車", "中古の自転車を売ります"),
        ("ja", "机", "木製の机と椅子です"),
        ("ja", "iphone 12", "ｉＰｈｏｎｅ　１２ケース付き"),
        ("ja", "ソファ", "ｿﾌｧ"),
        ("ja", "ガード", "ｶﾞｰﾄﾞ"),
        ("zh", "自行车", "出售二手自行车，九成新"),
        ("zh", "手机", "全新华为手机"),
        ("th", "จักรยาน", "ขายจักรยานเสือภูเขามือสอง"),
        ("th", "โต๊ะ", "ขายโต๊ะไม้สัก"),
        ("en", "椅子", "IKEAの椅子 chair"),
        ("ja", "chair", "IKEAの椅子 Chair新品"),
    ],
)
def test_every_word_of_the_query_is_found(code: str, query: str, text: str) -> None:
    assert stems(code, query), "the query has words"
    assert set(stems(code, query)) <= set(stems(code, text))


@pytest.mark.parametrize(
    ("code", "one", "other"),
    [
        ("ja", "か", "が"),  # a consonant, not an accent
        ("ja", "京都", "東京都"),
        ("th", "ปา", "ป่า"),  # tones tell words apart
        ("hi", "कल", "काल"),
        ("de", "Tisch", "Tasche"),
    ],
)
def test_other_words_have_other_stems(code: str, one: str, other: str) -> None:
    assert not set(stems(code, one)) & set(stems(code, other)) - {""}


def test_what_a_user_looks_for_is_no_stop_word() -> None:
    wanted = {
        "de": "Uhr Tisch kleine neue zehn", "es": "reloj mesa nueva", "fr": "montre table neuve",
        "it": "orologio tavolo nuovo", "pl": "zegarek nowy", "nl": "horloge tafel nieuw",
        "ja": "時計 机 新品", "zh": "手表 桌子", "tr": "saat masa", "ru": "часы стол новый",
    }  # fmt: skip
    for code, text in wanted.items():
        assert len(Language(code).words(text)) == len(text.split()), code


def test_words_without_meaning_are_left_out() -> None:
    assert Language("ja").words("本の棚を") == ["本", "棚"]
    assert Language("de").words("Der Tisch und die Stühle") == ["tisch", "stühle"]
    assert Language("fr").words("la table et les chaises") == ["table", "chaises"]


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_known_language_opens(code: str) -> None:
    language = Language(code)
    assert language.words("Oak 12") == ["oak", "12"]
    assert language.stem("oak")


def test_every_stemmer_of_the_library_has_its_languages() -> None:
    unused = {"dutch_porter", "porter"}  # other algorithms for Dutch and English
    assert set(STEMMERS.values()) == set(Stemmer.algorithms()) - unused


@pytest.mark.parametrize("code", ["xx", "EN", "de_DE", "deutsch", ""])
def test_an_unknown_language_is_named_beside_the_known_ones(code: str) -> None:
    with pytest.raises(MarketError, match=r"input\.language is .*: use one of af, ar, .* zh, zu$"):
        Language(code)


def test_accents_go_and_letters_stay() -> None:
    assert strip_accents("çøłæßñ") == "colaeßn"
    assert strip_accents("한국어") == "한국어" == unicodedata.normalize("NFC", "한국어")


INFLECTED = {
    "de": "Stuhl Stühle, Schrank Schränke, Buch Bücher, Kleid Kleider, Lampe Lampen, Fahrrad "
    "Fahrräder, Bett Betten, Tasche Taschen, roter rote, schwarzes schwarze",
    "fr": "cheval chevaux, bureau bureaux, chaise chaises, table tables, ancien anciennes, vieille "
    "vieilles, blanche blanches, électrique électriques, neuf neuve, journal journaux",
    "es": "silla sillas, mesa mesas, reloj relojes, sofá sofás, rojo rojas, cajón cajones, mueble "
    "muebles, nuevo nuevas, pantalón pantalones, luz luces",
    "it": "sedia sedie, tavolo tavoli, libro libri, letto letti, rosso rosse, armadio armadi, "
    "borsa borse, nuova nuovi, specchio specchi, vestito vestiti",
    "nl": "stoel stoelen, tafel tafels, kast kasten, boek boeken, lamp lampen, rode rood, jurk "
    "jurken, fiets fietsen, schoen schoenen, zwarte zwart",
    "ru": "стол столы, стул стулья, лампа лампы, книга книги, шкаф шкафа, велосипед велосипеды, "
    "красный красная, новая новые, кровать кровати, сумка сумки",
    "sv": "stol stolar, bord bordet, lampa lampor, bok boken, cykel cykeln, säng sängar, skåp "
    "skåpet, röd röda, klänning klänningar, soffa soffan",
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(INFLECTED))
def test_the_right_stemmer_joins_more_forms_than_the_english_one(code: str) -> None:
    pairs = [pair.split() for pair in INFLECTED[code].split(", ")]
    right, english = Language(code), Language("en")
    joined = {
        language.code: [language.stem(one.lower()) == language.stem(many.lower())
                        for one, many in pairs]
        for language in (right, english)
    }  # fmt: skip
    assert sum(joined[code]) > sum(joined["en"]), joined

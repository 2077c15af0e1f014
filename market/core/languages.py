"""The languages that listings may be in: the values of input.language."""

from __future__ import annotations

# Their words are reduced to stems by the Snowball stemmer of this name.
STEMMERS = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek",
    "en": "english", "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque",
    "fa": "persian", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi",
    "hu": "hungarian", "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian",
    "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian", "no": "norwegian",
    "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "st": "sesotho", "sv": "swedish", "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip
# Languages with compound words, whose last part names the thing: a Stehlampe is a lamp.
COMPOUNDING = ("da", "de", "et", "fi", "fo", "hu", "is", "nb", "nl", "nn", "no", "sv")
# Written without spaces between words, which ICU finds by its dictionaries.
WITHOUT_SPACES = ("ja", "km", "lo", "my", "th", "zh")
# Without a stemmer: their words are compared as written, but for accents and letter case.
UNSTEMMED = (
    "af", "az", "be", "bg", "bn", "bs", "cy", "fo", "gl", "gu", "he", "hr", "is", "ka", "kk", "kn",
    "ko", "ky", "lb", "lv", "mk", "ml", "mn", "mr", "ms", "mt", "or", "pa", "ps", "si", "sk", "sl",
    "so", "sq", "sw", "te", "tl", "uk", "ur", "uz", "vi", "xh", "zu",
)  # fmt: skip
LANGUAGES = tuple(sorted((*STEMMERS, *WITHOUT_SPACES, *UNSTEMMED)))

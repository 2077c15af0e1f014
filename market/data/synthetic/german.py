"""The words of the synthetic German marketplace."""

from __future__ import annotations

from market.data.synthetic.languages import Kind, Vocabulary

# Articles and endings of nouns by gender, for "ein roter Tisch" and "verkaufe meinen roten Tisch".
_NOMINATIVE = {"m": "er", "f": "e", "n": "es"}
_ACCUSATIVE = {"m": ("meinen", "en"), "f": ("meine", "e"), "n": ("mein", "es")}
_UNINFLECTED = ("rosa", "lila")


def inflect(kind: Kind, colour: str) -> dict[str, str]:
    """Return the forms of a noun and its colour that the templates name."""

    def adjective(ending: str) -> str:
        if colour in _UNINFLECTED:
            return colour
        return colour + ending

    article, ending = _ACCUSATIVE[kind.gender]
    return {
        "one": kind.one,
        "many": kind.many,
        "colour": colour,
        "coloured_one": f"{adjective(_NOMINATIVE[kind.gender])} {kind.one}",
        "coloured_many": f"{adjective('e')} {kind.many}",
        "my_one": f"{article} {adjective(ending)} {kind.one}",
    }


def _kinds(*rows: str) -> list[Kind]:
    """Return kinds from rows of singular, plural, gender, shape and median price in euros."""
    return [
        Kind(one, many, shape, float(price), gender)
        for one, many, gender, shape, price in (row.split("|") for row in rows)
    ]


VOCABULARY = Vocabulary(
    catalogue={
        ("Haus & Garten", "Wohnzimmer", "Sofas & Sessel"): _kinds(
            "Schlafsofa|Schlafsofas|n|sofa|180", "Ohrensessel|Ohrensessel|m|sofa|95",
            "Ledercouch|Ledercouches|f|sofa|260"),
        ("Haus & Garten", "Wohnzimmer", "Lampen & Uhren"): _kinds(
            "Stehlampe|Stehlampen|f|lamp|25", "Wanduhr|Wanduhren|f|clock|18",
            "Blumentopf|Blumentöpfe|m|plant|12"),
        ("Haus & Garten", "Schlafzimmer", "Schränke & Kommoden"): _kinds(
            "Kommode|Kommoden|f|drawers|70", "Nachttisch|Nachttische|m|drawers|35"),
        ("Haus & Garten", "Büro", "Schreibtische & Stühle"): _kinds(
            "Schreibtisch|Schreibtische|m|desk|85", "Bürostuhl|Bürostühle|m|office chair|55",
            "Aktenschrank|Aktenschränke|m|cabinet|60"),
        ("Elektronik", "Haushaltsgeräte", "Kühlschränke & Waschmaschinen"): _kinds(
            "Kühlschrank|Kühlschränke|m|fridge|140", "Waschmaschine|Waschmaschinen|f|washer|160"),
        ("Elektronik", "Haushaltsgeräte", "Küchengeräte"): _kinds(
            "Wasserkocher|Wasserkocher|m|kettle|15", "Mikrowelle|Mikrowellen|f|microwave|35"),
        ("Elektronik", "PCs & Notebooks", "Notebooks"): _kinds(
            "Laptop|Laptops|m|laptop|320", "Computerbildschirm|Computerbildschirme|m|monitor|90"),
        ("Elektronik", "PCs & Notebooks", "PC-Zubehör"): _kinds(
            "Tastatur|Tastaturen|f|keyboard|25", "Drucker|Drucker|m|printer|60",
            "Rechner|Rechner|m|tower|240"),
        ("Elektronik", "Handy & Telefon", "Handys"): _kinds(
            "Handy|Handys|n|phone|190", "Handyhülle|Handyhüllen|f|phone back|9",
            "Festnetztelefon|Festnetztelefone|n|handset|20"),
        ("Elektronik", "Konsolen", "Spielekonsolen & Controller"): _kinds(
            "Spielekonsole|Spielekonsolen|f|console|220", "Controller|Controller|m|gamepad|30",
            "Handheld|Handhelds|m|handheld|130"),
        ("Mode & Beauty", "Damenbekleidung", "Kleider"): _kinds(
            "Sommerkleid|Sommerkleider|n|dress|18", "Abendkleid|Abendkleider|n|dress|45"),
        ("Mode & Beauty", "Herrenbekleidung", "Hosen & Hemden"): _kinds(
            "Jeanshose|Jeanshosen|f|jeans|20", "Herrenhemd|Herrenhemden|n|shirt|14"),
        ("Mode & Beauty", "Schuhe & Taschen"): _kinds(
            "Turnschuh|Turnschuhe|m|shoe|30", "Handtasche|Handtaschen|f|handbag|45"),
        ("Mode & Beauty", "Beauty & Gesundheit"): _kinds(
            "Parfümflasche|Parfümflaschen|f|bottle|30", "Lippenstift|Lippenstifte|m|lipstick|8",
            "Haartrockner|Haartrockner|m|hair dryer|22", "Bürste|Bürsten|f|comb|10"),
        ("Familie, Kind & Baby", "Kinderwagen & Buggys"): _kinds(
            "Kinderwagen|Kinderwagen|m|pram|130", "Gitterbett|Gitterbetten|n|cot|60",
            "Hochstuhl|Hochstühle|m|high chair|28"),
        ("Familie, Kind & Baby", "Spielzeug"): _kinds(
            "Teddybär|Teddybären|m|teddy|10", "Fußball|Fußbälle|m|ball|12"),
        ("Freizeit & Sport", "Fahrräder & Zubehör"): _kinds(
            "Fahrrad|Fahrräder|n|bicycle|190", "Kinderfahrrad|Kinderfahrräder|n|bicycle|70"),
        ("Freizeit & Sport", "Camping & Fitness"): _kinds(
            "Zelt|Zelte|n|tent|75", "Hantel|Hanteln|f|dumbbell|30",
            "Tennisschläger|Tennisschläger|m|racket|25"),
        ("Freizeit & Sport", "Musik & Bücher"): _kinds(
            "Gitarre|Gitarren|f|guitar|110", "Schallplatte|Schallplatten|f|vinyl|12",
            "Buch|Bücher|n|books|8", "Hörspiel|Hörspiele|n|case|6"),
        ("Heimwerken", "Werkzeug"): _kinds(
            "Bohrmaschine|Bohrmaschinen|f|drill|65", "Hammer|Hämmer|m|hammer|9",
            "Handsäge|Handsägen|f|saw|12"),
        ("Heimwerken", "Farben & Leitern"): _kinds(
            "Leiter|Leitern|f|ladder|55", "Farbeimer|Farbeimer|m|tin|18"),
    },
    colours={
        "schwarz": "black", "weiß": "white", "grau": "grey", "rot": "red", "blau": "blue",
        "grün": "green", "rosa": "pink", "gelb": "yellow", "lila": "purple", "braun": "brown",
        "türkis": "teal", "orangefarben": "orange",
    },
    conditions={
        "Neu": 0.35, "Sehr gut": 0.15, "Gut": 0.0, "In Ordnung": -0.3, "Defekt": -1.0,
    },
    brands=[
        "Nordlicht", "Bergmann", "Kranich", "Solvia", "Hausmeister & Söhne", "Lindgrün",
        "Weißbach", "Müller", "Rheinwerk", "Ostsee",
    ],
    titles=[
        "{coloured_one}", "{brand} {one} in {colour}", "{one} {brand}", "Zwei {coloured_many}",
        "{many} in {colour}, {brand}", "Schöner Zustand: {one}", "{coloured_many} zu verkaufen",
        "{one}, {colour}, kaum benutzt", "Mehrere {many} abzugeben",
    ],
    sentences=[
        "Verkaufe {my_one}", "Biete hier mehrere {many} von {brand} an",
        "Verkauft werden {coloured_many} in der Größe wie abgebildet",
        "Der Zustand: {condition}", "Farbe {colour}, Marke {brand}",
        "Wegen Umzugs geben wir unsere {many} ab", "{coloured_one} aus unserem Haushalt",
    ],
    talk=[
        "Nur Abholung", "Versand gegen Aufpreis möglich", "Privatverkauf, keine Rücknahme",
        "Nichtraucherhaushalt", "Tierfreier Haushalt", "Leichte Gebrauchsspuren, siehe Fotos",
        "Einige Kratzer an der Seite", "Funktioniert einwandfrei", "Die Rechnung ist vorhanden",
        "Preis ist Verhandlungsbasis", "Bitte keine Anfragen wie „Was ist letzte Preis“",
        "Bei Fragen einfach schreiben", "Wurde kaum gebraucht", "Kleiner Riss, stört aber nicht",
        "Größere Mengen auf Anfrage", "Muss bis Ende des Monats weg", "Barzahlung bei Abholung",
        "Neupreis war deutlich höher", "Originalverpackung liegt bei", "Baujahr 2019",
    ],
    contact=["Erreichbar unter {phone}", "Tel. {phone}", "Mail an {email}", "Abholung in {town}"],
    vague=[("Verschiedenes", "Alles auf den Bildern"), ("Haushaltsauflösung", "Alles muss raus")],
    # The Bundesnetzagentur keeps these numbers for films: nobody has them.
    phones=[
        "030 23125{:03d}", "0171 39200 {:02d}", "0171/39200{:02d}", "+49 221 4710{:03d}",
        "(040) 66969-{:03d}", "069/90009-{:03d}",
    ],
    sellers=["anna_b", "juergen58", "flohmarkt-koenig", "m.schroeder", "familie_weiss", "tobi92"],
    places=[
        ("10115", "Berlin"), ("20095", "Hamburg"), ("80331", "München"), ("50667", "Köln"),
        ("60311", "Frankfurt am Main"), ("70173", "Stuttgart"), ("40213", "Düsseldorf"),
        ("04109", "Leipzig"), ("44135", "Dortmund"), ("45127", "Essen"), ("28195", "Bremen"),
        ("01067", "Dresden"), ("30159", "Hannover"), ("90402", "Nürnberg"), ("47051", "Duisburg"),
        ("53111", "Bonn"), ("48143", "Münster"), ("76133", "Karlsruhe"), ("68159", "Mannheim"),
        ("86150", "Augsburg"), ("24103", "Kiel"), ("99084", "Erfurt"), ("55116", "Mainz"),
        ("18055", "Rostock"), ("34117", "Kassel"), ("79098", "Freiburg"), ("23552", "Lübeck"),
        ("69117", "Heidelberg"), ("97070", "Würzburg"), ("89073", "Ulm"), ("72070", "Tübingen"),
    ],
    inflect=inflect,
)  # fmt: skip

"""The words of the synthetic French marketplace."""

from __future__ import annotations

from market.data.synthetic.languages import Kind, Vocabulary

# Feminine forms of colours; the others end in -e in both genders, or are nouns, which never change.
_FEMININE = {
    "noir": "noire", "blanc": "blanche", "gris": "grise", "bleu": "bleue", "vert": "verte",
    "violet": "violette",
}  # fmt: skip
_INVARIABLE = ("orange", "turquoise", "marron")


def inflect(kind: Kind, colour: str) -> dict[str, str]:
    """Return the forms of a noun and its colour that the templates name."""
    adjective = _FEMININE.get(colour, colour) if kind.gender == "f" else colour
    plural = adjective if colour in _INVARIABLE or adjective.endswith("s") else f"{adjective}s"
    return {
        "one": kind.one,
        "many": kind.many,
        "colour": colour,
        "coloured_one": f"{kind.one} {adjective}",
        "coloured_many": f"{kind.many} {plural}",
        "my_one": f"{_possessive(kind)} {kind.one} {adjective}",
    }


def _possessive(kind: Kind) -> str:
    # "mon armoire", although feminine: before a vowel.
    return "ma" if kind.gender == "f" and kind.one[0] not in "aeiouéh" else "mon"


def _kinds(*rows: str) -> list[Kind]:
    """Return kinds from rows of singular, plural, gender, shape and median price in euros."""
    return [
        Kind(one, many, shape, float(price), gender)
        for one, many, gender, shape, price in (row.split("|") for row in rows)
    ]


VOCABULARY = Vocabulary(
    catalogue={
        ("Maison", "Ameublement", "Canapés & fauteuils"): _kinds(
            "canapé|canapés|m|sofa|180", "fauteuil|fauteuils|m|sofa|70"),
        ("Maison", "Ameublement", "Rangements"): _kinds(
            "commode|commodes|f|drawers|65", "armoire|armoires|f|cabinet|90"),
        ("Maison", "Ameublement", "Bureau"): _kinds(
            "bureau|bureaux|m|desk|80", "chaise de bureau|chaises de bureau|f|office chair|45"),
        ("Maison", "Décoration"): _kinds(
            "lampe|lampes|f|lamp|22", "horloge|horloges|f|clock|18",
            "pot de fleurs|pots de fleurs|m|plant|10"),
        ("Maison", "Électroménager"): _kinds(
            "réfrigérateur|réfrigérateurs|m|fridge|140", "lave-linge|lave-linge|m|washer|150",
            "micro-ondes|micro-ondes|m|microwave|35", "bouilloire|bouilloires|f|kettle|15"),
        ("Maison", "Bricolage"): _kinds(
            "perceuse|perceuses|f|drill|55", "marteau|marteaux|m|hammer|8", "scie|scies|f|saw|10",
            "échelle|échelles|f|ladder|50", "pot de peinture|pots de peinture|m|tin|15"),
        ("Multimédia", "Informatique"): _kinds(
            "ordinateur portable|ordinateurs portables|m|laptop|300",
            "écran|écrans|m|monitor|80", "clavier|claviers|m|keyboard|20",
            "imprimante|imprimantes|f|printer|50"),
        ("Multimédia", "Téléphonie"): _kinds(
            "téléphone|téléphones|m|phone|180", "coque|coques|f|phone back|8",
            "montre connectée|montres connectées|f|watch|90"),
        ("Multimédia", "Consoles & jeux"): _kinds(
            "console|consoles|f|console|200", "manette|manettes|f|gamepad|28"),
        ("Mode", "Vêtements"): _kinds(
            "robe|robes|f|dress|18", "chemise|chemises|f|shirt|12", "jean|jeans|m|jeans|18"),
        ("Mode", "Chaussures & sacs"): _kinds(
            "chaussure|chaussures|f|shoe|28", "sac à main|sacs à main|m|handbag|40"),
        ("Mode", "Beauté"): _kinds(
            "flacon de parfum|flacons de parfum|m|bottle|30",
            "rouge à lèvres|rouges à lèvres|m|lipstick|8",
            "sèche-cheveux|sèche-cheveux|m|hair dryer|20", "brosse|brosses|f|comb|7"),
        ("Famille", "Équipement bébé"): _kinds(
            "poussette|poussettes|f|pram|110", "lit à barreaux|lits à barreaux|m|cot|55",
            "chaise haute|chaises hautes|f|high chair|25"),
        ("Famille", "Jeux & jouets"): _kinds(
            "peluche|peluches|f|teddy|8", "ballon|ballons|m|ball|10"),
        ("Loisirs", "Vélos"): _kinds(
            "vélo|vélos|m|bicycle|170", "vélo électrique|vélos électriques|m|bicycle|700"),
        ("Loisirs", "Sport & camping"): _kinds(
            "tente|tentes|f|tent|70", "haltère|haltères|m|dumbbell|25",
            "raquette|raquettes|f|racket|22"),
        ("Loisirs", "Livres & musique"): _kinds(
            "guitare|guitares|f|guitar|110", "vinyle|vinyles|m|vinyl|12", "livre|livres|m|books|6",
            "journal ancien|journaux anciens|m|case|9"),
    },
    colours={
        "noir": "black", "blanc": "white", "gris": "grey", "rouge": "red", "bleu": "blue",
        "vert": "green", "rose": "pink", "jaune": "yellow", "violet": "purple", "marron": "brown",
        "turquoise": "teal", "orange": "orange",
    },
    conditions={
        "État neuf": 0.35, "Très bon état": 0.15, "Bon état": 0.0, "État satisfaisant": -0.3,
        "Pour pièces": -1.0,
    },
    brands=[
        "Lumière", "Beauchêne", "Maison Roux", "Atelier Dupré", "Océane", "Clairval",
        "Forêt & Fils", "Montblanc d'or", "Éclat", "Rivière",
    ],
    titles=[
        "{coloured_one}", "{one} {brand}", "lot de {coloured_many}", "deux {coloured_many}",
        "{one} de marque {brand}, {colour}", "plusieurs {many} à vendre", "{coloured_many} {brand}",
        "{one} en parfait état",
    ],
    sentences=[
        "Je vends {my_one}", "Plusieurs {many} de la marque {brand}",
        "Vends {coloured_many} suite à un déménagement", "État : {condition}",
        "Couleur : {colour}, marque : {brand}", "Nous nous séparons de nos {many}",
    ],
    talk=[
        "À venir chercher sur place", "Envoi possible à vos frais", "Prix ferme",
        "Prix à débattre", "Maison non fumeur", "Sans animaux", "Quelques rayures, voir photos",
        "Fonctionne très bien", "Peu servi", "Facture disponible", "Boîte d'origine incluse",
        "Paiement en espèces", "N'hésitez pas à me contacter", "Petite fissure sur le côté",
        "Acheté bien plus cher en magasin", "Doit partir avant la fin du mois",
        "Je ne réponds pas aux propositions ridicules", "Révisé l'année dernière",
    ],
    contact=["Appelez le {phone}", "Tél. : {phone}", "Écrivez à {email}", "Remise à {town}"],
    vague=[("Vide-grenier", "Tout doit disparaître"), ("Divers objets", "Voir les photos")],
    # The numbers that the French regulator keeps for films: nobody has them.
    phones=[
        "01 99 00 05 {:02d}", "06.39.98.05.{:02d}", "+33 6 39 98 17 {:02d}", "0465710{:03d}",
        "02-61-91-03-{:02d}",
    ],
    sellers=["camille_l", "brocante du coin", "j.martin", "petite échoppe", "hélène75", "vincent"],
    places=[
        ("75011", "Paris"), ("13001", "Marseille"), ("69003", "Lyon"), ("31000", "Toulouse"),
        ("06000", "Nice"), ("44000", "Nantes"), ("34000", "Montpellier"), ("67000", "Strasbourg"),
        ("33000", "Bordeaux"), ("59000", "Lille"), ("35000", "Rennes"), ("51100", "Reims"),
        ("42000", "Saint-Étienne"), ("83000", "Toulon"), ("76600", "Le Havre"),
        ("38000", "Grenoble"), ("21000", "Dijon"), ("49000", "Angers"), ("30000", "Nîmes"),
        ("13100", "Aix-en-Provence"), ("29200", "Brest"), ("87000", "Limoges"), ("37000", "Tours"),
        ("80000", "Amiens"), ("57000", "Metz"), ("25000", "Besançon"), ("66000", "Perpignan"),
        ("45000", "Orléans"), ("76000", "Rouen"), ("14000", "Caen"), ("54000", "Nancy"),
    ],
    inflect=inflect,
)  # fmt: skip

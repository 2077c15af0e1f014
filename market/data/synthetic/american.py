"""The words of the synthetic American marketplace."""

from __future__ import annotations

from market.data.synthetic.languages import Kind, Vocabulary


def inflect(kind: Kind, colour: str) -> dict[str, str]:
    """Return the forms of a noun and its colour that the templates name."""
    return {
        "one": kind.one,
        "many": kind.many,
        "colour": colour,
        "coloured_one": f"{colour} {kind.one}",
        "coloured_many": f"{colour} {kind.many}",
    }


def _kinds(*rows: str) -> list[Kind]:
    """Return kinds from rows of singular, plural, shape and median price in dollars."""
    return [
        Kind(one, many, shape, float(price))
        for one, many, shape, price in (row.split("|") for row in rows)
    ]


VOCABULARY = Vocabulary(
    catalogue={
        ("Furniture", "Living Room", "Couches & Chairs"): _kinds(
            "couch|couches|sofa|190", "recliner|recliners|sofa|130"),
        ("Furniture", "Bedroom", "Dressers & Nightstands"): _kinds(
            "dresser|dressers|drawers|95", "nightstand|nightstands|drawers|40"),
        ("Furniture", "Home Office"): _kinds(
            "standing desk|standing desks|desk|140", "file cabinet|file cabinets|cabinet|60",
            "office chair|office chairs|office chair|70"),
        ("Home & Garden", "Decor"): _kinds(
            "floor lamp|floor lamps|lamp|30", "wall clock|wall clocks|clock|22",
            "planter|planters|plant|16"),
        ("Home & Garden", "Tools"): _kinds(
            "cordless drill|cordless drills|drill|70", "hammer|hammers|hammer|12",
            "hand saw|hand saws|saw|14", "step ladder|step ladders|ladder|60",
            "gallon of paint|gallons of paint|tin|22"),
        ("Appliances", "Kitchen"): _kinds(
            "refrigerator|refrigerators|fridge|280", "microwave|microwaves|microwave|45",
            "tea kettle|tea kettles|kettle|18"),
        ("Appliances", "Laundry"): _kinds(
            "washer|washers|washer|220", "dryer|dryers|washer|190"),
        ("Electronics", "Computers"): _kinds(
            "laptop|laptops|laptop|360", "gaming PC|gaming PCs|tower|520",
            "monitor|monitors|monitor|110", "keyboard|keyboards|keyboard|35",
            "printer|printers|printer|70"),
        ("Electronics", "Cell Phones"): _kinds(
            "cell phone|cell phones|phone|220", "phone case|phone cases|phone back|10",
            "smart watch|smart watches|watch|95", "landline phone|landline phones|handset|20"),
        ("Electronics", "Video Games"): _kinds(
            "game console|game consoles|console|260", "controller|controllers|gamepad|35",
            "handheld console|handheld consoles|handheld|150"),
        ("Clothing & Shoes", "Women"): _kinds(
            "sundress|sundresses|dress|20", "prom dress|prom dresses|dress|60",
            "purse|purses|handbag|45"),
        ("Clothing & Shoes", "Men"): _kinds(
            "button-down shirt|button-down shirts|shirt|15",
            "pair of jeans|pairs of jeans|jeans|25", "sneaker|sneakers|shoe|40"),
        ("Health & Beauty",): _kinds(
            "perfume|perfumes|bottle|40", "lipstick|lipsticks|lipstick|9",
            "blow dryer|blow dryers|hair dryer|30", "hairbrush|hairbrushes|comb|12"),
        ("Baby & Kids", "Gear"): _kinds(
            "stroller|strollers|pram|120", "crib|cribs|cot|85",
            "booster chair|booster chairs|high chair|35"),
        ("Baby & Kids", "Toys"): _kinds(
            "stuffed animal|stuffed animals|teddy|12"),
        ("Sports & Outdoors",): _kinds(
            "mountain bike|mountain bikes|bicycle|260", "tent|tents|tent|90",
            "dumbbell|dumbbells|dumbbell|35", "tennis racquet|tennis racquets|racket|30",
            "basketball|basketballs|ball|15"),
        ("Books, Movies & Music",): _kinds(
            "acoustic guitar|acoustic guitars|guitar|140", "vinyl record|vinyl records|vinyl|15",
            "paperback|paperbacks|books|6", "DVD box set|DVD box sets|case|10"),
    },
    colours={
        "black": "black", "white": "white", "gray": "grey", "red": "red", "blue": "blue",
        "green": "green", "pink": "pink", "yellow": "yellow", "purple": "purple",
        "brown": "brown", "teal": "teal", "orange": "orange",
    },
    conditions={
        "New": 0.35, "Like new": 0.15, "Good": 0.0, "Fair": -0.35, "For parts": -1.0,
    },
    brands=[
        "Harlow", "Blue Mesa", "Pinewood", "Kestrel", "Redwood & Co", "Cascade", "Lone Star",
        "Brightway", "Old Mill", "Sierra",
    ],
    titles=[
        "{coloured_one}", "{brand} {one}", "{brand} {coloured_one} - great deal", "{one}, {colour}",
        "two {coloured_many}", "lot of {many}", "{coloured_many} by {brand}", "{one} for sale",
    ],
    sentences=[
        "Selling a {coloured_one}", "I have several {many} from {brand}",
        "These {coloured_many} are from our home", "Condition: {condition}",
        "Color is {colour}, brand is {brand}", "Moving out of state so the {many} have to go",
    ],
    talk=[
        "Pick up only", "Cash or Venmo", "No holds", "First come first served",
        "Smoke-free and pet-free home", "Posted by owner in person, no dealers", "Price is firm",
        "Open to reasonable offers", "Minor scratches, see pictures", "Works great",
        "Barely used", "Porch pickup available", "Can deliver within 10 miles", "Priced to sell",
        "Small dent on the side", "Original box included", "Paid twice as much at the store",
        "Text me with questions", "Must go by the end of the month", "Has a tear in the seam",
    ],
    contact=["Call or text {phone}", "Reach me at {phone}", "Email {email}", "Meet in {town}"],
    vague=[("Moving sale", "Everything must go"), ("Misc items", "See pictures")],
    # Numbers with 555-01 are kept for fiction: nobody has them.
    phones=["(512) 555-01{:02d}", "713-555-01{:02d}", "+1 206 555 01{:02d}", "303.555.01{:02d}"],
    sellers=["austin_mom", "bigtexdeals", "j.ramirez", "garage_guy", "oceanview77", "kayla.w"],
    places=[
        ("TX", "Austin"), ("TX", "Houston"), ("TX", "Dallas"), ("CA", "Los Angeles"),
        ("CA", "San Diego"), ("CA", "Sacramento"), ("IL", "Chicago"), ("IL", "Springfield"),
        ("MO", "Springfield"), ("OR", "Portland"), ("ME", "Portland"), ("WA", "Seattle"),
        ("NY", "New York City"), ("NY", "Buffalo"), ("FL", "Miami"), ("FL", "Orlando"),
        ("GA", "Atlanta"), ("GA", "Columbus"), ("OH", "Columbus"), ("OH", "Cleveland"),
        ("MA", "Boston"), ("PA", "Philadelphia"), ("PA", "Pittsburgh"), ("AZ", "Phoenix"),
        ("CO", "Denver"), ("CO", "Aurora"), ("MN", "Minneapolis"), ("MI", "Detroit"),
        ("NC", "Charlotte"), ("TN", "Nashville"), ("NV", "Las Vegas"), ("UT", "Salt Lake City"),
        ("WI", "Milwaukee"), ("LA", "New Orleans"), ("MO", "Kansas City"), ("KS", "Kansas City"),
    ],
    inflect=inflect,
)  # fmt: skip

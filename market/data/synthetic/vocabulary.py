"""The words of the synthetic marketplace: products, and the phrases that describe them."""

from __future__ import annotations

OTHER = "Other Goods"
# By category path: its items, each (noun, shape in shapes.SHAPES, median price in pounds).
CATALOGUE: dict[str, list[tuple[str, str, float]]] = {
    "Home & Garden / Beds & Bedroom Furniture / Bedside Tables": [
        ("oak bedside table", "drawers", 35), ("chest of drawers", "drawers", 60)],
    "Home & Garden / Dining, Living Room Furniture / Sofas, Armchairs, Couches & Suites": [
        ("two seater sofa", "sofa", 150), ("velvet armchair", "sofa", 90)],
    "Home & Garden / Dining, Living Room Furniture / Mirrors, Clocks & Ornaments": [
        ("wall clock", "clock", 15), ("table lamp", "lamp", 18),
        ("ceramic plant pot", "plant", 12)],
    "Office Furniture & Equipment / Office Furniture / Office Chairs": [
        ("swivel chair", "office chair", 55), ("ergonomic desk chair", "office chair", 120)],
    "Office Furniture & Equipment / Office Furniture / Desks & Cabinets": [
        ("corner desk", "desk", 80), ("filing cabinet", "cabinet", 45)],
    "Office Furniture & Equipment / Business & Office Equipment / Printers & Copiers": [
        ("laser printer", "printer", 70), ("office photocopier", "printer", 350)],
    "Health & Beauty / Fragrances": [
        ("eau de parfum 100ml", "bottle", 35), ("aftershave gift set", "bottle", 25)],
    "Health & Beauty / Make Up & Skin Care / Lips": [
        ("matte lipstick set", "lipstick", 10), ("make up bundle", "lipstick", 14)],
    "Health & Beauty / Hair Care & Styling": [
        ("hair dryer", "hair dryer", 28), ("hair straightening comb", "comb", 20)],
    "Computers & Software / Laptops": [
        ("gaming laptop", "laptop", 480), ('13" notebook laptop', "laptop", 220)],
    "Computers & Software / Monitors & Projectors / Monitors": [
        ('24" LED monitor', "monitor", 75), ('curved 32" monitor', "monitor", 180)],
    "Computers & Software / Parts & Accessories / Desktops & Keyboards": [
        ("desktop PC tower", "tower", 260), ("mechanical keyboard", "keyboard", 30)],
    "Music, Films, Books & Games / Music / Vinyl": [
        ("vinyl LP record", "vinyl", 12), ("box of vinyl singles", "vinyl", 30)],
    "Music, Films, Books & Games / Books, Comics & Magazines": [
        ("hardback books", "books", 8), ("DVD box set", "case", 6)],
    "Music, Films, Books & Games / Musical Instruments & DJ Equipment / Guitars": [
        ("acoustic guitar", "guitar", 95), ("electric guitar", "guitar", 240)],
    "DIY Tools & Materials / Hand Tools": [
        ("claw hammer", "hammer", 9), ("panel saw", "saw", 11)],
    "DIY Tools & Materials / Power Tools / Drills & Drivers": [
        ("cordless drill", "drill", 60), ("hammer drill with case", "drill", 95)],
    "DIY Tools & Materials / Ladders, Paint & Building Materials": [
        ("aluminium ladder", "ladder", 65), ("tin of masonry paint", "tin", 16)],
    "Appliances / Fridges & Freezers / Fridge Freezers": [
        ("fridge freezer", "fridge", 130), ("larder fridge", "fridge", 85)],
    "Appliances / Washing Machines & Tumble Dryers": [
        ("washing machine 8kg", "washer", 140), ("tumble dryer", "washer", 110)],
    "Appliances / Small Kitchen Appliances / Microwaves & Kettles": [
        ("microwave oven", "microwave", 35), ("cordless kettle", "kettle", 14)],
    "Video Games & Consoles / Consoles": [
        ("games console 1TB", "console", 260), ("retro games console", "console", 70)],
    "Video Games & Consoles / Gaming Accessories / Controllers": [
        ("wireless controller", "gamepad", 32), ("racing game pad", "gamepad", 24)],
    "Video Games & Consoles / Handheld Consoles": [
        ("handheld console", "handheld", 150), ("handheld with cartridges", "handheld", 95)],
    "Sports, Leisure & Travel / Bicycles / Adult Bikes": [
        ("mountain bike", "bicycle", 170), ("road bike", "bicycle", 320)],
    "Sports, Leisure & Travel / Racquets, Balls & Gym": [
        ("tennis racket", "racket", 20), ("match football", "ball", 10),
        ("dumbbells 20kg", "dumbbell", 30)],
    "Sports, Leisure & Travel / Camping & Hiking": [
        ("four man tent", "tent", 75), ("pop up festival tent", "tent", 28)],
    "Phones, Mobile Phones & Telecoms / Mobile Phones / Smartphones": [
        ("unlocked smartphone 64GB", "phone", 180), ("5G smartphone 256GB", "phone back", 420)],
    "Phones, Mobile Phones & Telecoms / Smart Watches": [
        ("smart watch", "watch", 85), ("fitness watch", "watch", 40)],
    "Phones, Mobile Phones & Telecoms / Home Phones & Answering Machines": [
        ("cordless home phone", "handset", 18), ("corded desk telephone", "handset", 14)],
    "Clothes, Footwear & Accessories / Men's Clothing / Tops": [
        ("cotton t-shirt", "shirt", 8), ("checked shirt", "shirt", 12),
        ("slim jeans", "jeans", 18)],
    "Clothes, Footwear & Accessories / Women's Clothing / Dresses": [
        ("summer dress", "dress", 16), ("bridesmaid dress", "dress", 45)],
    "Clothes, Footwear & Accessories / Shoes & Bags": [
        ("running trainers size 8", "shoe", 28), ("leather handbag", "handbag", 40)],
    "Baby & Kids Stuff / Prams & Strollers": [
        ("pram with carrycot", "pram", 120), ("baby buggy", "pram", 55)],
    "Baby & Kids Stuff / Nursery & Feeding / Cots & High Chairs": [
        ("baby cot", "cot", 60), ("high chair", "high chair", 25)],
    "Baby & Kids Stuff / Toys / Soft Toys": [
        ("teddy bear", "teddy", 9), ("giant soft toy", "teddy", 16)],
    # Sellers put items of every class here.
    f"{OTHER} / Other": [],
    f"{OTHER} / Job Lots & House Clearance": [],
    f"{OTHER} / Antiques & Collectables / Other": [],
}  # fmt: skip

# By class, the first level of a path: (weight, phrases about its items).
CLASSES: dict[str, tuple[float, list[str]]] = {
    "Home & Garden": (12, [
        "Solid wood", "Would suit a small living room",
        "Few marks on the legs", "Dismantled for transport"]),
    "Office Furniture & Equipment": (5, [
        "From an office clearance", "Height adjustable",
        "Ideal for working from home", "VAT receipt available"]),
    "Health & Beauty": (6, [
        "Sealed in box", "Never opened", "Suitable for all skin types", "Unwanted present"]),
    "Computers & Software": (8, [
        "8GB RAM and 256GB SSD", "Windows installed", "HDMI cable included", "Wiped and reset"]),
    "Music, Films, Books & Games": (8, [
        "Great read", "Plays well with light marks on the sleeve",
        "Complete collection", "Sounds great"]),
    "DIY Tools & Materials": (8, [
        "Left over from a job", "Comes with battery and charger",
        "Heavy duty", "Ideal for the trade"]),
    OTHER: (9, [
        "Clearing the garage", "House move forces sale", "Bits and pieces", "Found in the loft"]),
    "Appliances": (8, [
        "Energy rating A+", "Fully working and cleaned",
        "Fits under a worktop", "Kitchen refit forces sale"]),
    "Video Games & Consoles": (6, [
        "Comes with two games", "All leads included", "Account reset", "Hardly played"]),
    "Sports, Leisure & Travel": (9, [
        "Recently serviced", "21 gears", "Used for one season", "Great for camping"]),
    "Phones, Mobile Phones & Telecoms": (7, [
        "Unlocked to all networks", "Battery health 90%",
        "Screen has no cracks", "Boxed with charger"]),
    "Clothes, Footwear & Accessories": (8, [
        "Size M", "Worn once", "Smoke free home", "Size 12 fits small"]),
    "Baby & Kids Stuff": (7, [
        "My little one has outgrown it", "Folds flat", "Washable covers", "From a pet free home"]),
}  # fmt: skip

COLOURS = {
    "black": (40, 40, 44), "white": (232, 230, 224), "grey": (138, 140, 144),
    "red": (192, 44, 44), "blue": (48, 88, 176), "green": (60, 134, 72),
    "pink": (226, 138, 168), "yellow": (228, 192, 64), "purple": (118, 72, 152),
    "brown": (130, 86, 52), "teal": (44, 140, 146), "orange": (224, 124, 48),
}  # fmt: skip
# The effect of each phrase on the log price, so that a text model has something to learn.
CONDITIONS = {
    "Brand new": 0.35, "As new": 0.2, "In good condition": 0.0, "Good used condition": -0.1,
    "Well used but works": -0.35, "Spares or repair": -0.9, "Vintage": 0.3,
}  # fmt: skip
TALK = [
    "Collection only", "No time wasters please", "Cash on collection", "Open to sensible offers",
    "Can deliver locally for fuel money", "Selling as no longer needed", "First come first served",
    "Need gone asap", "Any questions just ask", "Smoke and pet free home", "Buyer to collect",
    "Check out my other items", "Price is negotiable", "Sold as seen", "Can post at buyer's cost",
    "Bargain at this price", "Bought a few years ago, hardly used", "See photos for details",
    "Message me if interested, thanks", 'No "is it still available" messages', "Paid a lot more",
]  # fmt: skip
VAGUE_NAMES = ["Job lot", "Bundle", "Various items", "House clearance", "Must go today", "Swap"]
VAGUE_TEXTS = [
    "Job lot, see photos", "All in the pictures", "Everything must go", "Offers, see photos",
]  # fmt: skip
EMOJI = ["🔥🔥", "✨", "📦 ready to go", "👍", "🚗 free parking", "❤️", "‼️"]
CONTACT_AREAS = ["RG40", "SA1", "E17", "LS6"]  # of postcodes
SELLERS = ["Nisha", "Tom", "Agnieszka", "Dev", "Carol", "Yusuf", "Megan", "Li"]
# From the ranges that Ofcom keeps for drama: nobody has these numbers.
PHONES = [
    "07700 900{:03d}", "07700900{:03d}", "07700-900-{:03d}", "+44 7700 900{:03d}",
    "0 7 7 0 0 9 0 0 {:03d}", "020 7946 0{:03d}", "(020) 7946-0{:03d}",
]  # fmt: skip
POSTED_DATES = ["25 February 2022"] * 5 + ["25. February 2022", "February 25, 2022", ""]
PLACEHOLDERS = [1_234_567, 10_000_000, 1_111_111, 12_345, 1_233_333]
TOWNS = [
    "Wokingham, Berkshire", "Reading, Berkshire", "Slough, Berkshire", "Swansea, West Glamorgan",
    "Cardiff, South Glamorgan", "Newport, Gwent", "Camden, London", "Hackney, London",
    "Croydon, London", "Ealing, London", "Leeds, West Yorkshire", "Bradford, West Yorkshire",
    "Sheffield, South Yorkshire", "York, North Yorkshire", "Hull, East Yorkshire",
    "Salford, Manchester", "Stockport, Manchester", "Bolton, Manchester", "Preston, Lancashire",
    "Liverpool, Merseyside", "Chester, Cheshire", "Crewe, Cheshire", "Derby, Derbyshire",
    "Leicester, Leicestershire", "Nottingham, Nottinghamshire", "Lincoln, Lincolnshire",
    "Norwich, Norfolk", "Ipswich, Suffolk", "Luton, Bedfordshire", "Oxford, Oxfordshire",
    "Swindon, Wiltshire", "Bath, Somerset", "Exeter, Devon", "Plymouth, Devon", "Truro, Cornwall",
    "Poole, Dorset", "Southampton, Hampshire", "Brighton, East Sussex", "Maidstone, Kent",
    "Edinburgh, Midlothian", "Dundee, Angus", "Inverness, Highland", "Belfast, County Antrim",
]  # fmt: skip

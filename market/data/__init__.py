"""Raw listings, photos and events: reading, checking and splitting them."""

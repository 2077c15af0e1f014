"""Predict the category and the price of the listings in a folder: `python -m market.predict`."""

from market.predict import main

if __name__ == "__main__":
    main()

"""Synthetic pictures: a shape among clutter, lit from one side."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image, ImageDraw

from market.data.synthetic.draws import Rng, pick
from market.data.synthetic.shapes import CLUTTER, SHAPES, parse_shape
from market.data.synthetic.vocabulary import COLOURS

PHOTO_SIZES = [(224, 168)] * 9 + [(168, 224)] * 7 + [(224, 224)] * 3 + [(160, 120)]


def stamp(
    rng: Rng,
    canvas: Image.Image,
    parts: str,
    inks: dict[str, np.ndarray],
    *,
    size: float,
    tilt: float,
    stray: float,
) -> None:
    """Draw a shape on the canvas.

    Parameters
    ----------
    rng
        The source of randomness.
    canvas
        The picture, changed in place.
    parts
        A value of SHAPES or CLUTTER.
    inks
        The RGB colour (3,) of each ink.
    size
        Width in pixels.
    tilt
        Standard deviation of the angle, in radians.
    stray
        0 puts the shape in the middle, 1 anywhere.
    """
    turn, mirror = rng.normal(0, tilt), pick(rng, [-1, 1, 1, 1])
    stretch = np.diag([mirror * rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.15)])
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    lean = np.array([[1, rng.normal(0, 0.12)], [rng.normal(0, 0.08), 1]])
    matrix = rotation @ lean @ stretch * size / 100
    room = np.maximum(np.array(canvas.size) - size, np.array(canvas.size) * 0.12)
    centre = np.array(canvas.size) / 2 + rng.uniform(-0.5, 0.5, size=2) * stray * room
    pen = ImageDraw.Draw(canvas)
    for ink, points in parse_shape(parts):
        corners = [(float(x), float(y)) for x, y in (points - 50) @ matrix.T + centre]
        fill = tuple(int(v) for v in inks[ink])
        pen.polygon(corners, fill=fill, outline=tuple(v * 2 // 3 for v in fill))


def draw_inks(rng: Rng, colour: Iterable[float], accent: Iterable[float]) -> dict[str, np.ndarray]:
    """Return the RGB colour (3,) of each ink, shifted a little as light and camera do."""
    main = np.array(list(colour)) + rng.normal(0, 14, 3)
    inks = {"a": main, "b": main * 0.72 + 12, "c": np.array(list(accent)) + rng.normal(0, 14, 3)}
    inks |= {ink: grey + rng.normal(0, 8, 3) for ink, grey in (("k", 38), ("g", 140), ("w", 228))}
    return {ink: rgb.clip(0, 255) for ink, rgb in inks.items()}


def draw_photo(rng: Rng, shape: str | None, colour: str, accent: str) -> Image.Image:
    """Draw a photo of one item.

    Parameters
    ----------
    rng
        The source of randomness.
    shape
        A key of SHAPES; None draws clutter alone.
    colour, accent
        Keys of COLOURS.

    Returns
    -------
    Image.Image
        An RGB picture, up to 224 pixels a side.
    """
    width, height = pick(rng, PHOTO_SIZES)
    patches = pick(rng, [1, 2, 2, 3, 6])  # plain, gradient, blotchy
    base = rng.triangular(30, 215, 240) + rng.normal(0, 25, 3)
    base = base + rng.normal(0, 20, (patches, patches, 3))
    smooth = pick(rng, [Image.Resampling.BICUBIC, Image.Resampling.BICUBIC, Image.Resampling.BOX])
    canvas = Image.fromarray(base.clip(0, 255).astype(np.uint8)).resize(
        (2 * width, 2 * height), smooth
    )
    side = min(canvas.size)

    def scatter(count: int, largest: float) -> None:
        for _ in range(count):
            inks = draw_inks(rng, rng.uniform(0, 255, 3), rng.uniform(0, 255, 3))
            size = side * rng.uniform(0.08, largest)
            stamp(rng, canvas, pick(rng, CLUTTER), inks, size=size, tilt=2, stray=1)

    scatter(int(rng.integers(1, 7)), 0.4)
    if shape is None:
        scatter(8, 0.6)
    else:
        inks = draw_inks(rng, COLOURS[colour], COLOURS[accent])
        size, tilt = side * rng.uniform(0.62, 1.02), pick(rng, [0.08, 0.08, 0.08, 0.4])
        stamp(rng, canvas, SHAPES[shape], inks, size=size, tilt=tilt, stray=0.5)
    scatter(int(rng.integers(0, 3)), 0.2)  # in front
    # Light falls off to one side; the sensor adds noise.
    pixels = np.asarray(canvas.reduce(2), dtype=np.float32)
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    angle = rng.uniform(0, 2 * np.pi)
    light = rng.uniform(0.7, 1.15) + rng.uniform(0, 0.3) * (x * np.cos(angle) + y * np.sin(angle))
    noise = rng.standard_normal((height, width, 1), dtype=np.float32) * rng.uniform(2, 12)
    return Image.fromarray((pixels * light[..., None] + noise).clip(0, 255).astype(np.uint8))

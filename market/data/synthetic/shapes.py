"""The shapes that synthetic photos show, as polygons."""

from __future__ import annotations

from functools import cache

import numpy as np

# A shape's parts in drawing order, on a square of 100 x 100 with y down: kind, ink, numbers.
# r: x0 y0 x1 y1, rectangle; e: x y rx ry, ellipse; o: x y radius width, ring;
# l: x0 y0 x1 y1 width, line; p: x y x y ..., polygon; t: x0 y0 x1 y1 columns rows, tiles.
# Inks: a the item's colour, b a darker shade of it, c the accent, k near black, g grey, w near
# white.
SHAPES = {
    "drawers": "r a 18 14 82 86;r b 14 10 86 16;r b 24 22 76 40;r b 24 44 76 62;r b 24 66 76 82;"
    "e k 50 31 3 3;e k 50 53 3 3;e k 50 74 3 3;r k 20 86 26 94;r k 74 86 80 94",
    "sofa": "r a 12 25 88 65;l b 50 26 50 62 2;r b 3 42 18 82;r b 82 42 97 82;r a 18 60 50 78;"
    "r a 50 60 82 78;r k 8 82 13 91;r k 87 82 92 91;p c 24 38 38 34 42 54 28 58",
    "clock": "o b 50 50 46 8;e w 50 50 39 39;l k 50 15 50 22 3;l k 50 78 50 85 3;"
    "l k 15 50 22 50 3;l k 78 50 85 50 3;l k 50 50 50 24 4;l k 50 50 68 60 3;e a 50 50 4 4",
    "lamp": "p a 34 8 66 8 82 46 18 46;r k 47 46 53 84;e b 50 88 24 7;e c 50 62 8 10",
    "plant": "p a 28 58 72 58 64 96 36 96;r b 24 52 76 62;e c 50 26 7 24;"
    "p c 48 52 12 34 6 14 30 24;p c 52 52 88 34 94 14 70 24;p c 49 52 22 50 8 40 30 40;"
    "p c 51 52 78 50 92 40 70 40",
    "office chair": "p a 32 4 68 4 72 46 28 46;r k 47 46 53 56;p b 22 54 78 54 74 64 26 64;"
    "l k 24 36 24 50 4;l k 76 36 76 50 4;r g 47 64 53 82;l k 50 82 18 91 5;l k 50 82 82 91 5;"
    "l k 50 80 50 94 5;e k 18 94 5 4;e k 82 94 5 4;e k 50 96 5 4",
    "desk": "r a 2 30 98 38;r b 62 38 94 86;r w 66 42 90 54;r w 66 58 90 70;r w 66 73 90 83;"
    "r k 75 47 81 49;r k 75 63 81 65;r b 6 38 12 86",
    "cabinet": "r a 28 4 72 96;r b 32 8 68 35;r b 32 38 68 65;r b 32 68 68 94;r k 43 14 57 18;"
    "r k 43 44 57 48;r k 43 74 57 78;r w 45 22 55 28;r w 45 52 55 58;r w 45 82 55 88",
    "printer": "p w 30 6 70 6 72 40 28 40;r a 10 36 90 74;r k 22 60 78 66;"
    "p w 24 66 76 66 84 90 16 90;r c 66 42 84 50;l g 28 74 72 74 1;l g 26 80 74 80 1",
    "bottle": "r k 40 4 60 22;r g 43 22 57 32;p a 26 34 74 34 82 44 82 92 18 92 18 44;"
    "r w 32 54 68 78;l k 38 62 62 62 2;l k 42 70 58 70 2",
    "lipstick": "r k 36 60 64 98;r g 38 44 62 60;p a 41 44 41 20 59 6 59 44;r b 41 36 59 44;"
    "r k 72 52 92 98",
    "hair dryer": "p a 16 20 62 22 62 48 16 50;e a 18 35 16 17;p b 62 20 92 14 92 56 62 50;"
    "e k 12 35 7 10;p b 26 50 44 50 40 92 28 92;e c 35 58 4 4;l k 34 92 40 98 3",
    "comb": "r a 4 26 96 42;t a 6 40 94 78 17 1;r b 4 26 96 31",
    "laptop": "r k 18 10 82 56;r a 22 14 78 52;p g 18 58 82 58 98 84 2 84;"
    "p k 24 61 76 61 82 72 18 72;p b 40 75 60 75 62 81 38 81;r w 28 20 50 34",
    "monitor": "r k 2 8 98 70;r a 6 12 94 64;r w 12 18 44 40;r c 50 30 88 34;r c 50 38 80 42;"
    "r g 44 70 56 86;r g 26 86 74 92",
    "tower": "r k 28 2 72 98;r a 33 8 67 18;r g 33 22 67 26;o c 50 46 13 3;e g 50 46 4 4;"
    "t g 35 66 65 92 1 6",
    "keyboard": "p k 2 32 98 32 98 70 2 70;t a 5 35 95 60 14 3;r b 26 62 72 67;r b 5 62 22 67;"
    "r b 76 62 95 67",
    "vinyl": "r a 2 6 72 76;e k 58 54 40 40;o g 58 54 33 1;o g 58 54 27 1;o g 58 54 21 1;"
    "e c 58 54 14 14;e w 58 54 2 2",
    "books": "r a 10 72 90 88;r w 84 75 92 85;r c 18 56 84 72;r w 78 59 86 69;r b 8 40 78 56;"
    "r w 72 43 80 53;p k 20 22 82 14 84 28 22 36",
    "case": "r k 20 4 80 96;r a 24 8 78 92;r w 30 14 72 24;e w 51 58 22 22;e g 51 58 6 6;"
    "o c 51 58 18 3",
    "guitar": "e a 28 72 25 22;e a 46 54 19 17;l b 44 56 84 16 7;p k 78 12 92 0 99 8 88 22;"
    "e k 37 63 8 8;l k 18 70 30 84 4;l w 25 77 86 14 1",
    "hammer": "l a 22 96 56 34 9;p k 30 22 52 12 70 30 62 42;p k 66 26 84 30 97 48 78 40;"
    "p g 24 28 34 18 44 30 34 40",
    "saw": "p g 30 30 98 52 98 62 34 68;p a 2 34 30 26 36 70 10 78;p w 11 44 23 40 26 58 15 62;"
    "t k 36 64 96 70 14 1",
    "drill": "p a 12 18 66 18 66 46 12 46;r k 66 24 78 40;l g 78 32 99 32 4;"
    "p b 20 46 42 46 36 80 14 80;r k 6 78 44 94;e c 26 32 6 6;p k 42 48 50 48 46 58 40 58",
    "ladder": "l a 34 2 22 98 6;l a 66 2 78 98 6;l b 33 16 67 16 5;l b 31 32 69 32 5;"
    "l b 29 48 71 48 5;l b 27 64 73 64 5;l b 25 80 75 80 5",
    "tin": "o g 50 34 34 3;r a 16 34 84 92;e w 50 34 34 10;e c 50 34 28 7;r w 24 54 76 80;"
    "l b 34 62 66 62 3;l b 34 72 58 72 3",
    "fridge": "r a 26 2 74 96;l k 26 36 74 36 2;r k 31 14 35 32;r k 31 42 35 66;r g 28 96 36 99;"
    "r g 64 96 72 99;r w 54 10 66 16",
    "washer": "r a 14 6 86 96;r b 14 6 86 22;e g 50 60 31 31;e k 50 60 24 24;e c 50 66 16 11;"
    "e w 74 14 5 5;r k 20 11 40 17",
    "microwave": "r a 2 24 98 80;r k 8 30 68 74;r g 14 37 62 67;t w 75 46 92 72 3 4;"
    "r c 74 32 93 41;r b 69 32 72 72",
    "kettle": "p a 28 32 66 32 76 88 18 88;p b 66 40 90 28 92 36 72 58;o k 20 54 22 5;"
    "p a 28 34 62 34 72 86 24 86;r k 26 24 68 33;e c 47 20 6 5;r k 16 88 78 95",
    "console": "p k 2 44 98 36 98 60 2 68;p a 2 34 98 26 98 36 2 44;r c 10 50 40 54;"
    "e w 84 48 5 5;p b 2 68 98 60 98 66 2 74",
    "gamepad": "e a 22 62 18 28;e a 78 62 18 28;r a 22 32 78 66;l k 14 46 34 46 6;"
    "l k 24 36 24 56 6;e c 76 38 4 4;e c 84 46 4 4;e c 68 46 4 4;e c 76 54 4 4;e k 38 62 8 8;"
    "e k 62 62 8 8",
    "handheld": "r a 2 26 98 74;r k 24 30 76 70;r c 28 34 72 66;e k 13 40 6 6;e k 87 58 6 6;"
    "l k 8 60 18 60 4;l k 13 55 13 65 4;e w 87 36 3 3;e w 87 45 3 3",
    "bicycle": "o k 22 66 21 4;o k 78 66 21 4;l a 22 66 40 34 4;l a 38 36 66 32 4;"
    "l a 62 22 78 66 4;l a 22 66 48 66 4;l a 48 66 38 30 4;l a 48 66 66 34 4;l k 30 28 46 28 6;"
    "l k 56 20 70 20 4;e g 48 66 6 6",
    "racket": "o a 50 28 28 5;t w 34 10 66 46 6 7;l b 42 54 50 68 4;l b 58 54 50 68 4;"
    "l k 50 64 50 98 7",
    "ball": "e w 50 50 45 45;p a 50 34 65 45 59 62 41 62 35 45;p a 50 6 62 14 38 14;"
    "p a 92 42 94 62 83 52;p a 8 42 6 62 17 52;p a 70 90 78 78 62 82;p a 30 90 22 78 38 82;"
    "l k 50 34 50 14 1;l k 65 45 83 40 1;l k 35 45 17 40 1;l k 59 62 68 80 1;l k 41 62 32 80 1",
    "dumbbell": "l g 12 50 88 50 8;r a 16 24 30 76;r k 6 34 16 66;r a 70 24 84 76;r k 84 34 94 66",
    "tent": "p b 40 16 98 78 66 88 40 16;p a 40 16 66 88 6 84;p k 40 34 48 87 26 86;"
    "p w 40 34 40 60 30 86 26 86;l k 98 78 99 90 1;l k 6 84 1 92 1",
    "phone": "r k 27 2 73 98;r a 30 10 70 88;t w 34 16 66 58 4 5;r c 34 74 66 82;r g 43 5 57 7;"
    "e g 50 93 3 3",
    "phone back": "r a 12 4 58 96;r b 16 8 38 32;e k 22 15 5 5;e k 32 15 5 5;e k 22 26 5 5;"
    "e w 35 60 7 7;r k 64 8 94 96;r c 67 16 91 88",
    "watch": "p b 38 2 62 2 66 30 34 30;p b 34 70 66 70 62 98 38 98;r k 26 26 74 74;"
    "r a 31 31 69 69;o c 50 50 14 3;r g 74 44 79 56",
    "handset": "r k 12 74 74 94;p a 34 6 58 6 54 80 30 80;r w 38 12 53 26;t k 37 32 51 60 3 4;"
    "l k 37 2 37 12 4;r b 66 78 96 96;t w 70 80 92 94 3 2",
    "shirt": "p a 32 10 42 8 50 16 58 8 68 10 98 34 86 50 76 42 76 94 24 94 24 42 14 50 2 34;"
    "p b 42 8 50 16 58 8 54 22 46 22;r c 58 34 70 46",
    "jeans": "p a 26 4 74 4 82 96 58 96 50 36 42 96 18 96;r b 26 4 74 11;l k 50 11 50 36 1;"
    "r b 30 16 42 26;r b 58 16 70 26",
    "dress": "l a 40 2 42 16 3;l a 60 2 58 16 3;p a 36 12 64 12 60 42 88 96 12 96 40 42;"
    "r c 39 38 61 45;l b 46 46 34 94 2;l b 54 46 66 94 2",
    "shoe": "p a 4 34 26 30 34 42 54 56 86 62 97 72 97 78 4 78;r w 3 78 98 87;"
    "p b 4 34 26 30 28 44 6 50;l w 40 46 46 58 3;l w 48 52 53 64 3;l w 56 57 60 68 3;"
    "p c 20 76 50 62 56 66 30 77",
    "handbag": "o b 50 34 24 4;p a 14 38 86 38 94 92 6 92;p b 14 38 86 38 80 58 20 58;"
    "r w 44 54 56 64",
    "pram": "p a 10 46 90 46 78 68 26 68;p b 54 46 90 46 86 26 72 12 54 8;l k 10 46 2 24 4;"
    "l g 30 68 66 86 3;l g 70 68 34 86 3;o k 30 86 11 4;o k 70 86 11 4;l k 72 44 80 18 1",
    "cot": "r b 4 18 10 94;r b 90 18 96 94;r a 4 24 96 31;r a 4 76 96 83;t a 14 30 86 78 8 1;"
    "r c 12 66 88 77",
    "high chair": "p a 34 6 64 6 64 46 34 46;r c 39 12 59 40;r w 22 44 84 51;r b 30 51 68 60;"
    "l g 32 60 18 97 4;l g 66 60 80 97 4;l g 25 80 74 80 3",
    "teddy": "e b 28 14 11 11;e b 72 14 11 11;e a 50 72 28 26;e a 50 28 25 22;e b 18 62 12 15;"
    "e b 82 62 12 15;e b 30 92 14 8;e b 70 92 14 8;e w 50 36 11 8;e k 41 24 3 3;e k 59 24 3 3;"
    "e k 50 33 4 3;e c 50 74 15 14",
}  # fmt: skip
CLUTTER = [
    "r a 20 10 80 90", "e a 50 50 45 45", "l a 0 50 100 50 8", "p a 50 10 95 90 5 80",
    "o a 50 50 45 10", "t a 10 10 90 90 3 3", "r a 0 20 100 80;r b 0 20 100 35",
    "e b 50 50 40 50;e a 45 45 20 25", "p a 10 20 90 5 80 90 30 95;l k 20 50 80 50 4",
]  # fmt: skip


@cache
def parse_shape(parts: str) -> list[tuple[str, np.ndarray]]:
    """Return the polygons of a shape, in drawing order.

    Parameters
    ----------
    parts
        A value of SHAPES or CLUTTER.

    Returns
    -------
    list of (ink, points)
        The letter of an ink, and the corners of a polygon (n, 2) as x and y.
    """
    angles = np.linspace(0, 2 * np.pi, 33)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    polygons: list[tuple[str, np.ndarray]] = []
    for part in parts.split(";"):
        kind, ink, *numbers = part.split()
        v = np.array([float(number) for number in numbers])
        if kind == "r":
            outlines = [v[[0, 1, 2, 1, 2, 3, 0, 3]].reshape(4, 2)]
        elif kind == "e":
            outlines = [v[:2] + circle * v[2:]]
        elif kind == "o":  # out along the rim, back along the inner one
            outlines = [
                np.concatenate([v[:2] + circle * v[2], v[:2] + circle[::-1] * (v[2] - v[3])])
            ]
        elif kind == "l":
            along = v[2:4] - v[:2]
            side = np.array([-along[1], along[0]]) / np.hypot(*along) * v[4] / 2
            outlines = [np.array([v[:2] + side, v[2:4] + side, v[2:4] - side, v[:2] - side])]
        elif kind == "t":
            step = (v[2:4] - v[:2]) / v[4:]
            corners = [v[:2] + step * (c, r) for r in range(int(v[5])) for c in range(int(v[4]))]
            tile = np.array([[0, 0], [0.7, 0], [0.7, 0.7], [0, 0.7]]) * step
            outlines = [corner + tile for corner in corners]
        else:
            outlines = [v.reshape(-1, 2)]
        polygons += [(ink, points) for points in outlines]
    return polygons

"""JPEGs that lack only their end mark, which some servers and telephones cut off."""

from __future__ import annotations

import io

from PIL import Image

# A JPEG's markers, each after a byte 255.
END = b"\xff\xd9"
SCAN = 0xDA
FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what libjpeg decodes
RESTARTS = range(0xD0, 0xD8)
WITHOUT_CONTENT = (0x00, 0x01, *RESTARTS, 0xD8, 0xD9)


def with_end_mark(data: bytes) -> bytes:
    """Return a JPEG that lacks its end mark, or half of it, with the mark."""
    return data.rstrip(b"\xff") + END


def lacks_only_end_mark(data: bytes) -> bool:
    """Return whether `data` is a JPEG with all its pixels that lacks only its end mark.

    libjpeg silently fills missing pixels from the bits that follow. If no pixel is missing, these
    bits change nothing: so the photo is decoded with several endings, and the results compared.
    """
    restart = _next_restart(data)
    if data.endswith(END) or restart is None:
        return False
    data = data.rstrip(b"\xff")
    noise = b"\x55\xa3" * 32
    endings = (b"", noise, bytes(64), bytes([0xFF, restart]) + noise)
    try:
        first, *others = (_pixels(data + ending + END) for ending in endings)
    except Exception:  # as for damaged files
        return False
    return all(other == first for other in others)


def _pixels(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as photo:
        return photo.tobytes()


def _next_restart(data: bytes) -> int | None:
    """Return the restart marker that would come next, or None if the JPEG lacks a scan.

    No scan is missing if each coefficient of each colour is complete to its last bit, be it in one
    scan or in several.
    """
    missing: set[tuple[int, int]] | None = None  # (colour, coefficient)
    restarts = 0
    at = 2
    while 0 <= (at := data.find(b"\xff", at)) < len(data) - 3:
        marker = data[at + 1]
        if marker == 0xFF:  # filling
            at += 1
            continue
        if marker in WITHOUT_CONTENT:
            restarts += marker in RESTARTS
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        content = data[at + 4 : end]
        try:
            if marker in FRAMES:
                colours = [content[6 + 3 * number] for number in range(content[5])]
                missing = {(colour, place) for colour in colours for place in range(64)}
            elif marker == SCAN:
                restarts = 0
                count = content[0]
                colours = [content[1 + 2 * number] for number in range(count)]
                first, last, bits = content[1 + 2 * count : 4 + 2 * count]
                if missing is not None and bits & 15 == 0:
                    missing -= {(c, place) for c in colours for place in range(first, last + 1)}
        except (IndexError, ValueError):  # cut within the segment
            return None
        at = end
    return RESTARTS[restarts % 8] if missing == set() else None

"""Flags of invented countries: small PNGs from rules and a fixed seed, the same in every run."""

import colorsys
import random
import struct
import zlib
from collections.abc import Callable
from itertools import product
from pathlib import Path
from string import ascii_lowercase

WIDTH, HEIGHT = 60, 40
Colour = tuple[int, int, int]
Design = Callable[[int, int, list[Colour]], Colour]

WHITE: Colour = (250, 250, 245)


def horizontal(x: int, y: int, c: list[Colour]) -> Colour:
    return c[3 * y // HEIGHT]


def vertical(x: int, y: int, c: list[Colour]) -> Colour:
    return c[3 * x // WIDTH]


def nordic_cross(x: int, y: int, c: list[Colour]) -> Colour:
    across, along = abs(x - 21), abs(y - 20)
    if across < 3 or along < 3:
        return c[1]
    return WHITE if across < 6 or along < 6 else c[0]


def disc(x: int, y: int, c: list[Colour]) -> Colour:
    return c[1] if (x - 30) ** 2 + (y - 20) ** 2 < 130 else c[0]


def chevron(x: int, y: int, c: list[Colour]) -> Colour:
    return c[2] if x < 26 - 1.3 * abs(y - 20) else c[y * 2 // HEIGHT]


def canton(x: int, y: int, c: list[Colour]) -> Colour:
    if x < 26 and y < 20:
        star = (x % 9 - 4) ** 2 + (y % 7 - 3) ** 2 < 4
        return WHITE if star else c[0]
    return c[2] if y // 5 % 2 else WHITE


def diagonal(x: int, y: int, c: list[Colour]) -> Colour:
    offset = x * HEIGHT - (HEIGHT - y) * WIDTH
    if abs(offset) < 260:
        return c[2]
    return c[0] if offset < 0 else c[1]


def quarters(x: int, y: int, c: list[Colour]) -> Colour:
    return c[(x * 2 // WIDTH + y * 2 // HEIGHT) % 2]


DESIGNS: list[Design] = [
    *(horizontal, vertical, nordic_cross, disc, chevron, canton, diagonal, quarters),
]


def draw(code: str) -> bytes:
    """The PNG flag of a two-letter code."""
    rng = random.Random(code)
    start = rng.random()
    colours = [_colour((start + rng.uniform(0.25, 0.4) * n) % 1, rng) for n in range(3)]
    if rng.random() < 0.5:
        colours[1] = WHITE
    design = rng.choice(DESIGNS)
    rows = b"".join(
        b"\0" + bytes(part for x in range(WIDTH) for part in design(x, y, colours))
        for y in range(HEIGHT)
    )
    return _png(rows)


def write_folder(folder: Path, count: int) -> list[str]:
    """Write flags as <code>/<code>.png below a folder. Returns their paths."""
    codes = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)][:: 676 // count][:count]
    for code in codes:
        path = folder / code / f"{code}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw(code))
    return [f"{code}/{code}.png" for code in codes]


def _colour(hue: float, rng: random.Random) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue, rng.uniform(0.65, 0.9), rng.uniform(0.5, 0.9))
    return round(red * 255), round(green * 255), round(blue * 255)


def _png(rows: bytes) -> bytes:
    """https://www.w3.org/TR/png-3/: 8 bits a channel, red, green and blue, no filter."""
    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )

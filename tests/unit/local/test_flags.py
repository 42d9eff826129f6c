"""The flags of the demo are images."""

import struct
import zlib
from pathlib import Path

import pytest

from local.demo import flags


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and rows of an 8-bit RGB image, its checksums verified."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        kind, body = png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == zlib.crc32(
            kind + body
        )
        chunks[kind] = body
        at += 12 + length
    width, height, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert rest == [8, 2, 0, 0, 0]
    return width, height, zlib.decompress(chunks[b"IDAT"])


@pytest.mark.parametrize("count", [1, 60, 300, 676])
def test_a_folder_has_as_many_flags_as_asked_for(tmp_path: Path, count: int) -> None:
    paths = flags.write_folder(tmp_path, count)

    assert len(set(paths)) == count
    assert all((tmp_path / path).is_file() for path in paths)


def test_a_flag_is_an_image_of_several_colours_and_always_the_same() -> None:
    width, height, rows = pixels(flags.draw("ad"))

    assert (width, height) == (flags.WIDTH, flags.HEIGHT)
    assert len(rows) == height * (1 + 3 * width)
    assert flags.draw("ad") == flags.draw("ad")
    assert len({flags.draw(code) for code in ("ad", "ae", "af")}) == 3

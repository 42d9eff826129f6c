"""Lines of a stream of any length, in bounded memory."""

from collections.abc import Iterable, Iterator

MAX_LINE = 4096  # bytes: twice the longest partition key of DynamoDB
_BOM = b"\xef\xbb\xbf"
_SPARE = 8  # more than the byte order mark and a carriage return, which do not count


def numbered_lines(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line, without byte order mark and line ending (LF or CRLF).

    Of a line over the limit the first `limit` + 1 bytes are given: its length tells.
    """
    for number, line in enumerate(_lines(chunks, limit), 1):
        if number == 1:
            line = line.removeprefix(_BOM)
        if line.endswith(b"\r"):
            line = line[:-1]
        yield number, line[: limit + 1]


def _lines(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    tail = b""
    for chunk in chunks:
        *whole, tail = (tail + chunk).split(b"\n")
        yield from whole
        tail = tail[: limit + _SPARE]  # so a gigabyte without a line break takes no memory
    if tail:
        yield tail

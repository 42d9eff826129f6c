"""Splits a stream of any length into lines, in bounded memory."""

from collections.abc import Iterable, Iterator

MAX_LINE = 4096  # bytes: twice DynamoDB's limit for a partition key
_BOM = b"\xef\xbb\xbf"
_UNCOUNTED = 8  # at least the bytes of a byte order mark and a carriage return


def numbered_lines(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Number and content of each line, without byte order mark and line ending (LF or CRLF).

    A line over the limit is cut to `limit` + 1 bytes, so that the caller can recognise it.
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
        *complete, tail = (tail + chunk).split(b"\n")
        yield from complete
        tail = tail[: limit + _UNCOUNTED]  # bounds memory for a file without line breaks
    if tail:
        yield tail

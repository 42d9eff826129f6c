"""Splits a stream of any length into lines, in bounded memory."""

from collections.abc import Iterable, Iterator

MAX_LINE = 4096  # bytes: twice DynamoDB's limit for a partition key
_BLOCK = 8 * 1024  # larger blocks are not faster, and responses wait while one is parsed
_BOM = b"\xef\xbb\xbf"
_UNCOUNTED = 8  # bytes; more than a byte order mark and a carriage return, which do not count


def numbered_blocks(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[tuple[int, bytes]]:
    """Complete lines in blocks: the number of a block's first line, and its content.

    All lines end with LF, the last one too. There is no byte order mark. A line over the limit may
    be cut, but stays over the limit.
    """
    number = 1
    for block in _blocks(chunks, limit):
        content = block.removeprefix(_BOM) if number == 1 else block
        yield number, content
        number += content.count(b"\n")


def _blocks(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    tail = b""
    for chunk in chunks:
        text = tail + chunk
        start = 0
        while True:
            end = text.rfind(b"\n", start, start + _BLOCK) + 1
            if not end:
                end = text.find(b"\n", start + _BLOCK) + 1
            if not end:
                break
            yield text[start:end]
            start = end
        # The cut bounds memory for a file without line breaks.
        tail = text[start : start + limit + _UNCOUNTED]
    if tail:
        yield tail + b"\n"

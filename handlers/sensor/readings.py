"""Parses lines of a file of readings: `<SENSOR_UID>,<TIMESTAMP>,<VALUE>`."""

import json
import re
from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter
from typing import NamedTuple

from handlers.sensor.lines import MAX_LINE
from handlers.sensor.row import Row

MAX_SENSOR_ID = 2048  # bytes; DynamoDB's limit for a partition key
FIRST_TIMESTAMP = -62_135_596_800  # 0001-01-01T00:00:00Z
LAST_TIMESTAMP = 253_402_300_799  # 9999-12-31T23:59:59Z
MAX_DIGITS = 38  # DynamoDB: significant digits of a number
MIN_EXPONENT, MAX_EXPONENT = -130, 125  # DynamoDB: 1E-130 to 9.99…E+125

_BLANKS = " \t"
# A line of a block. On nearly every line, the groups are a Row: ASCII without quotes, blanks and
# backslashes, within every limit, the numbers in their shortest form. Any other line is in the last
# group, for `parse`.
_LINE = re.compile(
    rb"(?:"
    rb"(([!#-+\--\[\]-~]{1,1024}),(0|[1-9][0-9]{0,10})),"  # the key: sensor id and timestamp
    rb"(-?(?:0|[1-9][0-9]{0,18})\.[0-9]{0,17}[1-9](?=0{0,18}\r?\n)"  # a value with a fraction
    rb"|(?:0|-?[1-9][0-9]{0,18})(?=[.\r\n]))"  # a whole value
    rb"(?:0{0,18}|\.0{0,18})\r?"  # zeros at its end
    rb"|([^\n]*)"
    rb")\n"
)
_FIELD = re.compile(r'[ \t]*(?:"((?:[^"\r]|"")*)"|([^",\r]*))[ \t]*(,|\Z)')
_INTEGER = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?")
_TIME_COLUMN = re.compile(r"time|date|epoch|(?<![a-z])ts(?![a-z])", re.IGNORECASE)
_VALUE_COLUMN = re.compile(r"value|reading|measure", re.IGNORECASE)


class Reading(NamedTuple):
    """A reading as DynamoDB stores it; `value` is a number in its shortest form."""

    sensor_id: str
    timestamp: int
    value: str

    def row(self) -> Row:
        sensor_id = json.dumps(self.sensor_id)[1:-1].encode()
        timestamp = b"%d" % self.timestamp
        return sensor_id + b"," + timestamp, sensor_id, timestamp, self.value.encode(), b""


class Rejection(NamedTuple):
    """Why a line is not a reading."""

    reason: str


class RejectedLine(NamedTuple):
    """A line that is not a reading, and its place in its block, from 0."""

    place: int
    reason: str
    line: bytes


class ParsedBlock(NamedTuple):
    """The readings of a block, the place of each in the block, and the rejected lines."""

    rows: list[Row]
    places: Sequence[int]
    rejected: list[RejectedLine]


class _InvalidError(ValueError):
    pass


class BlockParser:
    """Parses a file in blocks of complete lines, many times as fast as line by line.

    `has_header`: the first line that is not blank may be a header.
    """

    def __init__(self, *, has_header: bool = True) -> None:
        self._may_be_header = has_header

    def parse(self, block: bytes) -> ParsedBlock:
        """Parse a block. Each of its lines ends with LF."""
        found: list[Row] = _LINE.findall(block)
        if self._may_be_header:
            first = next((row for row in found if row[0] or row[4].strip(b" \t\r")), None)
            self._may_be_header = first is None
            if first is not None and is_header(first[4].removesuffix(b"\r")):
                found[found.index(first)] = (b"", b"", b"", b"", b"")
        rows: list[Row] = []
        places: list[int] = []
        rejected: list[RejectedLine] = []
        if all(map(_key, found)):  # the usual block, without lines for `parse`
            return ParsedBlock(found, range(len(found)), rejected)
        for place, row in enumerate(found):
            if row[0]:
                rows.append(row)
                places.append(place)
            elif line := row[4].removesuffix(b"\r"):
                result = parse(line)
                if isinstance(result, Reading):
                    rows.append(result.row())
                    places.append(place)
                elif result is not None:
                    rejected.append(RejectedLine(place, result.reason, line))
        return ParsedBlock(rows, places, rejected)


_key = itemgetter(0)


def parse(line: bytes) -> Reading | Rejection | None:
    """The reading on a line, or why the line is rejected; None for a blank line."""
    try:
        return _parse(line)
    except _InvalidError as error:
        return Rejection(str(error))


def is_header(line: bytes) -> bool:
    """Whether a line is a header: its second field names a time and its third a value."""
    if len(line) > MAX_LINE:
        return False
    try:
        fields = _fields(line.decode())
    except ValueError:
        return False
    return (
        len(fields) == 3
        and _TIME_COLUMN.search(fields[1]) is not None
        and _VALUE_COLUMN.search(fields[2]) is not None
    )


def _parse(line: bytes) -> Reading | None:
    if len(line) > MAX_LINE:
        raise _InvalidError(f"the line is longer than {MAX_LINE} bytes")
    try:
        text = line.decode()
    except UnicodeDecodeError:
        raise _InvalidError("the line is not UTF-8") from None
    if not text.strip(_BLANKS):
        return None
    fields = _fields(text)
    if len(fields) != 3:
        raise _InvalidError(f"there must be 3 fields, not {len(fields)}")
    sensor_id, timestamp, value = fields
    return Reading(_sensor_id(sensor_id), _timestamp(timestamp), _value(value))


def _fields(text: str) -> list[str]:
    if '"' not in text and "\r" not in text:
        return [field.strip(_BLANKS) for field in text.split(",")]
    fields, position, separator = [], 0, ","
    while separator:
        match = _FIELD.match(text, position)
        if match is None:
            raise _InvalidError("the quotes are broken, or there is a stray carriage return")
        quoted, plain, separator = match.groups()
        field = plain if quoted is None else quoted.replace('""', '"')
        fields.append(field.strip(_BLANKS))
        position = match.end()
    return fields


def _sensor_id(text: str) -> str:
    if not text:
        raise _InvalidError("the sensor id is empty")
    if len(text.encode()) > MAX_SENSOR_ID:
        raise _InvalidError(f"the sensor id is longer than {MAX_SENSOR_ID} bytes")
    return text


def _timestamp(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise _InvalidError("the timestamp is not a whole number of seconds")
    timestamp = int(text)
    if not FIRST_TIMESTAMP <= timestamp <= LAST_TIMESTAMP:
        raise _InvalidError("the timestamp is not within the years 1 to 9999")
    return timestamp


def _value(text: str) -> str:
    """The exact shortest form of a number, without the rounding of float or a Decimal context."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise _InvalidError("the value is not a decimal number")
    sign, whole, fraction, power = match.groups(default="")
    digits = (whole + fraction).lstrip("0")
    significant = digits.rstrip("0")
    if not significant:
        return "0"
    exponent = int(power or 0) - len(fraction) + len(digits) - len(significant)
    magnitude = exponent + len(significant) - 1
    if len(significant) > MAX_DIGITS:
        raise _InvalidError(f"the value has more than {MAX_DIGITS} significant digits")
    if not MIN_EXPONENT <= magnitude <= MAX_EXPONENT:
        raise _InvalidError("the value is too large or too close to zero for DynamoDB")
    number = Decimal(f"{sign}{significant}E{exponent}")
    return f"{number:f}" if -20 < magnitude < MAX_DIGITS else str(number)

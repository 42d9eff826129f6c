"""Parsing lines: readings, and reasons for rejecting a line."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.sensor.readings import (
    BlockParser,
    Reading,
    RejectedLine,
    Rejection,
    Row,
    is_header,
    parse,
)

LAST = 253_402_300_799
FIRST = -62_135_596_800


@pytest.mark.parametrize(
    ("line", "reading"),
    [
        ("0000-0001,1483906366,27.54", ("0000-0001", 1483906366, "27.54")),
        (" 0000-0001 ,\t1483906366 , 27.54\t", ("0000-0001", 1483906366, "27.54")),
        ('"0000-0001","1483906366","27.54"', ("0000-0001", 1483906366, "27.54")),
        (' "a" , "1" ,\t"2"\t', ("a", 1, "2")),
        ('"a,b",1,2', ("a,b", 1, "2")),
        ('"a ""b""",1,2', ('a "b"', 1, "2")),
        ("Zürich 7,1,2", ("Zürich 7", 1, "2")),
        ("a,-1,2", ("a", -1, "2")),
        ("a,+1,2", ("a", 1, "2")),
        ("a,0001,2", ("a", 1, "2")),
        (f"a,{LAST},2", ("a", LAST, "2")),
        (f"a,{FIRST},2", ("a", FIRST, "2")),
        ("x" * 2048 + ",1,2", ("x" * 2048, 1, "2")),
        ("ü" * 1024 + ",1,2", ("ü" * 1024, 1, "2")),
    ],
    ids=[
        "plain",
        "blanks",
        "quoted",
        "blanks-around-quotes",
        "comma-in-quotes",
        "quotes-in-quotes",
        "not-ascii",
        "before-1970",
        "plus-sign",
        "leading-zeros",
        "last-second-of-9999",
        "first-second-of-1",
        "longest-sensor-id",
        "longest-sensor-id-in-bytes",
    ],
)
def test_a_valid_line_is_a_reading(line: str, reading: tuple[str, int, str]) -> None:
    assert parse(line.encode()) == Reading(*reading)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("10.10", "10.1"),
        ("-5.10", "-5.1"),
        ("00.35", "0.35"),
        ("-0.35", "-0.35"),
        ("100", "100"),
        ("1e3", "1000"),
        ("-1.5E-3", "-0.0015"),
        ("+7", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("0", "0"),
        ("-0", "0"),
        ("-0.00", "0"),
        ("000", "0"),
        ("9" * 38, "9" * 38),
        ("0." + "9" * 38, "0." + "9" * 38),
        ("1" + "0" * 100, "1E+100"),
        ("0" * 100 + "1." + "0" * 100, "1"),
        ("1" + "0" * 30, "1" + "0" * 30),
        ("12345678901234567890.123456789012345678", "12345678901234567890.123456789012345678"),
        ("1E-130", "1E-130"),
        ("9." + "9" * 37 + "E+125", "9." + "9" * 37 + "E+125"),
        ("-1E-130", "-1E-130"),
        ("0.0000001", "0.0000001"),
        ("1E-19", "0.0000000000000000001"),
        ("1E-20", "1E-20"),
        ("1E37", "1" + "0" * 37),
    ],
)
def test_values_are_stored_exactly_in_their_shortest_form(written: str, stored: str) -> None:
    assert parse(f"a,1,{written}".encode()) == Reading("a", 1, stored)
    assert Decimal(written) == Decimal(stored)


def test_zero_with_any_exponent_is_zero() -> None:
    assert parse(b"a,1,0e999999999999999999999") == Reading("a", 1, "0")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"a,1", "3 fields, not 2"),
        (b"a,1,2,3", "3 fields, not 4"),
        (b"a;1;2", "3 fields, not 1"),
        (b"a,1,2,", "3 fields, not 4"),
        (b",1,2", "sensor id is empty"),
        (b'" ",1,2', "sensor id is empty"),
        (b"x" * 2049 + b",1,2", "longer than 2048 bytes"),
        ("ü".encode() * 1025 + b",1,2", "longer than 2048 bytes"),
        (b"a,,2", "whole number"),
        (b"a,1.5,2", "whole number"),
        (b"a,1e3,2", "whole number"),
        (b"a,1_000,2", "whole number"),
        (b"a,noon,2", "whole number"),
        ("a,١٢,2".encode(), "whole number"),
        (f"a,{LAST + 1},2".encode(), "years 1 to 9999"),
        (f"a,{FIRST - 1},2".encode(), "years 1 to 9999"),
        (b"a," + b"9" * 4000 + b",2", "years 1 to 9999"),
        (b"a,1,", "decimal number"),
        (b"a,1,warm", "decimal number"),
        (b"a,1,NaN", "decimal number"),
        (b"a,1,-Infinity", "decimal number"),
        (b"a,1,1_0", "decimal number"),
        (b"a,1,0x10", "decimal number"),
        (b"a,1,.", "decimal number"),
        (b"a,1,1e", "decimal number"),
        (b"a,1,--1", "decimal number"),
        ("a,1,٣".encode(), "decimal number"),
        (b"a,1,2\xc2\xa0", "decimal number"),
        (b"a,1," + b"9" * 39, "38 significant digits"),
        (b"a,1,1." + b"1" * 38, "38 significant digits"),
        (b"a,1,1E126", "too large or too close to zero"),
        (b"a,1,1E-131", "too large or too close to zero"),
        (b"a,1,1e99999999999999999999", "too large or too close to zero"),
        (b"\xff\xfe,1,2", "not UTF-8"),
        (b"x" * 4097, "longer than 4096 bytes"),
        (b"a,1," + b"0" * 4093, "longer than 4096 bytes"),
        (b'"a,1,2', "quotes are broken"),
        (b'a",1,2', "quotes are broken"),
        (b'"a"b,1,2', "quotes are broken"),
        (b'a"b"c,1,2', "quotes are broken"),
        (b"a\rb,1,2", "stray carriage return"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else value,
)
def test_an_invalid_line_is_rejected_with_a_reason(line: bytes, reason: str) -> None:
    row = parse(line)
    assert isinstance(row, Rejection)
    assert reason in row.reason


@pytest.mark.parametrize("line", [b"", b"   ", b" \t "], ids=["empty", "blanks", "blanks-and-tab"])
def test_a_blank_line_is_skipped(line: bytes) -> None:
    assert parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "sensor_id,timestamp,value",
        "SENSOR_UID,TIMESTAMP,VALUE",
        '"Sensor","Time (s)","Reading"',
        "id, ts ,measurement",
        "id,sensor_ts,value",
        "id,date,measured",
    ],
)
def test_a_header_is_recognised(line: str) -> None:
    assert is_header(line.encode())


@pytest.mark.parametrize(
    "line",
    [
        b"a,b,c",
        b"garbage",
        b"a,1483906366,warm",
        b"a,noon,27.54",
        b"id,units,value",
        b"sensor_id,timestamp",
        b"sensor_id,timestamp,value,unit",
        b"sensor_id,timestamp,\xff value",
        b'sensor_id,"timestamp,value',
    ],
)
def test_another_line_is_not_a_header(line: bytes) -> None:
    assert not is_header(line)


numbers = st.builds(
    lambda sign, digits, exponent: Decimal(f"{sign}{digits}E{exponent}"),
    st.sampled_from(["", "-"]),
    st.integers(1, 10**38 - 1),
    st.integers(-120, 80),
)


@given(numbers, st.sampled_from(["{}", "{:f}", "{:E}", "000{:f}"]))
def test_every_number_of_dynamodb_is_stored_exactly(number: Decimal, form: str) -> None:
    written = form.format(number) if number > 0 else str(number)
    row = parse(f"a,1,{written}".encode())
    assert isinstance(row, Reading)
    assert Decimal(row.value) == number


@given(st.binary(max_size=60))
def test_any_bytes_can_be_parsed(line: bytes) -> None:
    assert isinstance(parse(line), Reading | Rejection | None)


Parsed = tuple[list[Row], list[int], list[RejectedLine]]


def by_block(block: bytes) -> Parsed:
    rows, places, rejected = BlockParser(has_header=False).parse(block)
    return rows, list(places), rejected


def by_line(lines: list[bytes]) -> Parsed:
    """What BlockParser returns, one line after the other."""
    rows: list[Row] = []
    places: list[int] = []
    rejected: list[RejectedLine] = []
    for place, line in enumerate(lines):
        match parse(line):
            case Reading() as reading:
                rows.append(reading.row())
                places.append(place)
            case Rejection(reason):
                rejected.append(RejectedLine(place, reason, line))
    return rows, places, rejected


signs = st.sampled_from(["", "", "", "-", "+"])
zeros = st.sampled_from(["", "", "0", "00", "0" * 18, "0" * 30])
digits = st.one_of(
    st.integers(0, 999).map(str), st.from_regex(r"[0-9]{0,24}", fullmatch=True), st.just("")
)
number_texts = st.builds(
    "{}{}{}{}{}{}{}".format,
    signs, zeros, digits, st.sampled_from(["", ".", ".", "..", ".5."]), digits, zeros,
    st.sampled_from(["", "", "", "e5", "E-3", " ", "x"]),
)  # fmt: skip
sensor_ids = st.one_of(
    st.sampled_from(["a", "0000-0001", "ä", "a b", '"a"', '"a,b"', "a\\b", "'", "a\tb", "", "%s"]),
    st.text(max_size=4),
    st.just("x" * 1024),
    st.just("x" * 1025),
)
timestamp_texts = st.one_of(
    st.integers(-99, 10**12).map(str), st.sampled_from(["01", "+1", "-0", "0", "1.0", "", "x"])
)
any_lines = st.one_of(
    st.builds("{},{},{}".format, sensor_ids, timestamp_texts, number_texts).map(str.encode),
    st.sampled_from([b"", b" ", b"\r", b"a,1,2\r\r", b"a,1", b"a,1,2,3", b"\xff,1,2", b",,"]),
    st.binary(max_size=20),
).filter(lambda line: b"\n" not in line)


@settings(max_examples=500, deadline=None)
@given(st.lists(any_lines, max_size=12), st.booleans())
def test_a_block_is_parsed_as_its_lines_are(lines: list[bytes], crlf: bool) -> None:
    ending = b"\r\n" if crlf else b"\n"
    expected = lines if crlf else [line.removesuffix(b"\r") for line in lines]
    block = b"".join(line + ending for line in lines)

    assert by_block(block) == by_line(expected)


@pytest.mark.parametrize(
    "line",
    [
        b"a,1,12.5.0",
        b"a,1,1.0.0",
        b"a,1,-0",
        b"a,1,-0.00",
        b"a,1,0.",
        b"a,1,.0",
        b"a,1,00",
        b"a,1,1\r2",
        b"a,1,1.5\r0",
        b"a,1,12345678901234567890",
        b"a,1,1234567890123456789.1234567890123456789",
        b"a,1,1." + b"0" * 19,
        b"a,1,1." + b"0" * 18 + b"1",
        b"a,1,0." + b"0" * 17 + b"1",
        b"a,01,2",
        b"a,-1,2",
        b"a,99999999999,2",
        b"a,999999999999,2",
        b"a\\b,1,2",
        b'"a,1,2',
        b"a,1,2,",
        b" a,1,2",
    ],
)
@pytest.mark.parametrize("ending", [b"", b"\r"], ids=["LF", "CRLF"])
def test_a_line_at_the_edge_of_the_fast_path_is_parsed_as_before(
    line: bytes, ending: bytes
) -> None:
    assert by_block(line + ending + b"\n") == by_line([line])


@pytest.mark.parametrize("value", ["1", "1.50", "0.35", "-0.35", "10.00", "0", "0.0", "5."])
def test_common_lines_take_the_fast_path(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.sensor.readings.parse", None)
    (row,), _, _ = BlockParser(has_header=False).parse(f"0000-0001,1483906366,{value}\r\n".encode())
    assert Decimal(row[3].decode()) == Decimal(value)


@pytest.mark.parametrize(
    ("blocks", "rejected"),
    [
        ([b"id,time,value\na,1,2\n"], []),
        ([b"\n \n", b"id,time,value\r\n", b"a,1,2\n"], []),
        ([b"id,time,value\n", b"id,time,value\n"], [0]),
        ([b"a,1,2\nid,time,value\n"], [1]),
        ([b"a,1,2\n", b"id,time,value\n"], [0]),
        ([b"rubbish\n", b"id,time,value\n"], [0, 0]),
        ([b"id,time,value\nid,time,value\n"], [1]),
    ],
)
def test_only_the_first_row_of_a_file_may_be_a_header(
    blocks: list[bytes], rejected: list[int]
) -> None:
    parser = BlockParser()
    assert [line.place for block in blocks for line in parser.parse(block).rejected] == rejected


def test_a_part_of_a_file_has_no_header() -> None:
    assert BlockParser(has_header=False).parse(b"id,time,value\n").rejected


@given(st.text(max_size=30), st.integers(FIRST, LAST))
def test_two_rows_have_the_same_key_if_sensor_and_time_are_the_same(name: str, time: int) -> None:
    key, sensor_id, timestamp, _, _ = Reading(name, time, "1").row()
    assert json.loads(b'"%b"' % sensor_id) == name
    assert int(timestamp) == time
    assert key == sensor_id + b"," + timestamp

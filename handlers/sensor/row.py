"""The form of a reading between the parser and the table."""

Row = tuple[bytes, bytes, bytes, bytes, bytes]
"""Key, sensor id, timestamp and value of a reading, JSON-encoded, and an empty fifth element.

The elements are the groups of the regular expression in readings.py. The fifth group matches only
lines that are not such a row.
"""

"""A reading on its way from the file to the table."""

Row = tuple[bytes, bytes, bytes, bytes, bytes]
"""A reading for the table: key, sensor id, timestamp, value and nothing, as they are in JSON."""

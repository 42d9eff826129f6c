"""The result of a scene, for the demo's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Two cells of the table, which is 80 characters wide, and a text below it."""

    did: str
    where: str  # where to look at it: names of the stack's outputs
    next_step: str = ""  # for the person at the terminal, too long for the table

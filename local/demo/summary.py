"""What a scene has shown, in a line of the demo's table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Summary:
    """Two cells of the table, which is 80 characters wide, and what comes below it."""

    did: str
    where: str  # to look at it: names of the stack's outputs
    next_step: str = ""  # for the person at the terminal: what is too long for the table

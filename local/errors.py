"""Errors on this machine, each a sentence for the person at the terminal."""


class LocalError(Exception):
    """What is wrong, where, and what to do."""

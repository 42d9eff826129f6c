"""What goes wrong on this machine, said in one sentence."""


class LocalError(Exception):
    """A sentence for the person at the terminal: what is wrong, where, and what to do."""

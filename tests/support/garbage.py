"""Spend less on garbage collection: a third of the CPU time of tests on moto went into it."""

import gc


def collect_less_often() -> None:
    """Call it after everything is imported.

    What is imported stays, and there is very much of it: collections need not look through it, not
    even once. What a test leaves behind may wait until there is more of it than after one call to
    moto.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)

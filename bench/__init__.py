"""Benchmarks: `python -m bench` runs all, `python -m bench images` runs one.

Each is a module or package here with a `TITLE` and a `run(console, quick=…)`. `run` shows a table
and returns the content of bench/results/<name>.json. Results depend on the machine and its load:
compare only results of the same run.
"""

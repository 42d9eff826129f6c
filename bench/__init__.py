"""Benchmarks: `python -m bench` runs all, `python -m bench images` one.

Each is a module or a package here with a `TITLE` and a `run(console, quick=…)`, which shows a table
and returns what goes into bench/results/<name>.json. Numbers are of this machine and this moment:
compare them within one run.
"""

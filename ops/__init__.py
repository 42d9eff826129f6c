"""Commands for operators, on the local AWS or in an AWS account: dead letters and retained data.

`account.py` asks `local` where the local AWS listens. No other module here imports `local`, and
`local` never imports `ops`.
"""

"""What an operator runs, on the local AWS or in an AWS account: dead letters and retained data.

`account.py` asks `local` where the local AWS listens, and no other module here imports `local`.
`local` never imports `ops`.
"""

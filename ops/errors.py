"""Errors of an operator's command."""


class OpsError(Exception):
    """A sentence for the operator: what is wrong, with which object, and what to do."""

"""What an operator's command cannot do."""


class OpsError(Exception):
    """A sentence for the operator: what is wrong, with which object, and what to do."""

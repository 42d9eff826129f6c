"""Settings: environment variables, read when first needed."""

import os

from handlers.shared.errors import ConfigurationError


def required(name: str) -> str:
    """The value of an environment variable that must be set."""
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"The environment variable {name} is not set.")
    return value

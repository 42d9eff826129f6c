"""Clients for AWS, whoever's credentials they use."""

from collections.abc import Callable
from typing import Any

Clients = Callable[[str], Any]  # returns a boto3 client for a service's name

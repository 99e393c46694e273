"""From the traced program to store and sinks, off the program's own threads."""

from .thread import Delivery

__all__ = ["Delivery", "delivery"]

delivery = Delivery()
"""The one of this process."""

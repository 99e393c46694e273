"""From the store to servers, off the program's threads and off the worker's: networks take their time."""

from .shipper import Shipper

__all__ = ["Shipper"]

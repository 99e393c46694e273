"""See what a PocketFlow run really did."""

__version__ = "1.0.0a1"

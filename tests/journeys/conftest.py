"""A desk to run commands at."""

from desk import desk

__all__ = ["desk"]

"""A small project to be served."""

from .alive import built, site, sites

__all__ = ["built", "site", "sites"]

"""Attribute inversion: guess one hidden column of people whose other columns are known."""

"""Attacks on a released table: whose row it is, and what it tells of a person."""

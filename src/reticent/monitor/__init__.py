"""Inversion in progress: what is kept of queries, and who watches them."""

"""Made-up traffic over a user's own data: honest callers and attackers, to try thresholds with.

A behavior is a function and a line in the list of its file. Nothing here is evidence that a
detector works on other people's traffic: it shows what a threshold does on these.
"""

"""What is claimed of this project in numbers, measured: see README.md and ``run.py``."""

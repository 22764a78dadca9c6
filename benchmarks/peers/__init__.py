"""Programs that run another project in its own environment; they import nothing of ours."""

"""The gateway's keepers in a browser: who asks, what raised an alarm, and what to do about it."""

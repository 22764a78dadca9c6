"""Where state lives: one file by default, a server when several machines share it."""

"""Who may see what: secrets, keys, tokens, and the doors between callers and roles."""

"""How much is given away, honestly: cases, scores, and the instrument's own test."""

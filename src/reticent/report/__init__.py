"""Evidence, told to people: a page for the browser and a table for the terminal."""

"""Ways to other tools. What they need is imported when it is used."""

"""What to train, and how, when nobody says: chosen from the data alone."""

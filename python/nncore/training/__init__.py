"""Models that train, evaluate and predict; their history, reports and files."""

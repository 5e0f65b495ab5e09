"""The running program: the core in it, its threads, the signals that end it, standard error."""

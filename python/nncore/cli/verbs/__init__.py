"""One file per verb; verbs do not import each other, what they share is one level up.

Each has a docstring, its help; `HELP`, one line; `add_arguments(parser)`; `settings(args)`, which
makes a frozen dataclass of the arguments and refuses what is known to be wrong before any work; and
`run(settings, out)`, which does it and returns the exit code.
"""

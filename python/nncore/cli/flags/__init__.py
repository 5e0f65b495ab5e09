"""Flags, and the settings that they stand for: the only files that see an `argparse.Namespace`.

One file per subject, each with functions `add_...` that put flags into a parser and one that makes
a frozen dataclass of what was given. `values` has the types of the flags.
"""

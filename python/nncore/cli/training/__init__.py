"""One training from pictures to a run directory, as `train` and `demo` do it.

`plan` has what is asked for and what became of it, `run` does it, `words`, `recipe` and `config`
tell of it: to a person, and to config.toml.
"""

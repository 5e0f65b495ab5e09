"""The command line: the only room that prints, parses arguments and chooses exit codes.

One file per verb. `parser` knows the verbs, `options` the flags that they share, `output` where
words go, `failures` which error gives which exit code and line.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run `nncore` with these arguments (by default those of the process).

    Returns
    -------
    int
        The exit code: 0 done, 1 failure, 2 usage, 3 bad data, 4 bad model file, 5 quality gate
        missed, 130 interrupted. Every failure has printed one line on standard error.
    """
    import sys

    from nncore.cli.failures import report
    from nncore.cli.output import Output

    try:
        from nncore.cli.parser import parse

        args = parse(sys.argv[1:] if argv is None else argv)
        if args.threads is not None:
            from nncore import set_num_threads

            set_num_threads(args.threads)
        code: int = args.run(args, Output(json=args.json, quiet=args.quiet))
    except SystemExit as stop:  # argparse, after --help and --version
        return int(stop.code or 0)
    except BaseException as error:
        return report(error)
    return code

"""The command line: the only room that prints, parses arguments and chooses exit codes.

- `verbs/`: one file per verb, which does not know the others; `parser` knows them all.
- `flags/`: the flags that verbs share, and the settings that are made of them.
- `training/`, `measuring`, `predicting`, `inputs`: work that more than one verb does.
- `help`, `suggestions`: how help reads, and what was meant by words that do not exist.
- `processes`: what is different for one of several, which mpiexec has started.
- `output`: where words go; `foreign_words`: what others say reaches the user as a line of ours;
   `failures`: which error gives which exit code and line.

An argument list becomes a frozen dataclass of settings once, in `parser.parse`; from there on
nothing changes it, and steps make new ones of it.
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
        missed, 130 interrupted, 143 and 129 ended by SIGTERM and SIGHUP. Every failure has printed
        one line on standard error; only that a reader of standard output went away has not.
    """
    import sys

    from nncore.cli.failures import DONE, report
    from nncore.cli.output import Output
    from nncore.cli.processes import Processes
    from nncore.process.signals import ending_signals

    processes = Processes()
    with processes.quiet():
        try:
            with ending_signals():
                from nncore.cli.parser import parse
                from nncore.cli.wildcards import expanded

                command = parse(expanded(sys.argv[1:] if argv is None else argv))
                common = command.common
                if common.threads is not None:
                    from nncore.process.runtime import set_num_threads

                    set_num_threads(common.threads)
                from nncore.cli.foreign_words import framed

                out = Output(json=common.json, quiet=common.quiet)
                with framed(out), processes.at_work(command.verb, out) as has_work:
                    code = command.run(command.settings, out) if has_work else DONE
                if code == DONE:
                    out.finish()
        except SystemExit as stop:  # argparse, after --help and --version
            return int(stop.code or 0)
        except BaseException as error:
            return processes.fail(error, report(error))
        return code

"""Everything once, on real handwritten digits that come with nncore: write them as folders of
PNG files, train, evaluate on files that training never saw, draw, and name a few unlabelled ones.
Needs no network and takes a few seconds. The commands shown are those that it runs."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli import evaluate, plot, predict, train
from nncore.cli.digits import SIDE, DigitFolders, write_digits
from nncore.cli.failures import INTERRUPTED
from nncore.cli.options import add_min_accuracy
from nncore.cli.output import Output, printable, write_error

if TYPE_CHECKING:
    from nncore.training.predictions import Predictions

HELP = "everything once, on real handwritten digits"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        default="nncore-demo",
        metavar="DIR",
        help="where everything is written; may exist (default nncore-demo)",
    )
    add_min_accuracy(parser)


def run(args: argparse.Namespace, out: Output) -> int:
    root = Path(args.output)
    digits = write_digits(root)
    out.say(_found(root, digits))

    named = ("--output", root / "runs", "--name", "digits", "--overwrite")
    training = _command(args, "train", digits.train, *named)
    _say_command(out, training)
    trained = train.train(training, out)
    if trained.model.interrupted:
        write_error("the demo was interrupted in training; run it again, it takes a few seconds")
        return INTERRUPTED
    model = trained.run.path
    out.say(train.text(trained, hints=False))

    testing = _command(args, "evaluate", model, digits.test, "--output", root / "test-report")
    _say_command(out, testing)
    tested = evaluate.evaluate(testing, out)
    out.say(str(tested.report))

    naming = _command(args, "predict", model, digits.unlabelled)
    _say_command(out, naming)
    predictions = predict.predict(naming)
    for one in predictions:
        out.say(f"{predict.line(one)}\t({digits.answers[Path(one.path or '').name]})")

    descent = root / "gradient-descent.png"
    _say_command(out, _command(args, "plot", "gradient-descent", "--output", descent))
    plot.draw_descent(str(descent), {})
    out.say()

    accuracy = tested.report.accuracy
    data = _json(root, digits, trained, tested, predictions, descent)
    out.result(_summary(root, model, digits, accuracy, descent, hints=not out.quiet), data)
    return train.gate(args.min_accuracy, tested.report, "test")


def _command(args: argparse.Namespace, *words: str | Path) -> argparse.Namespace:
    """The arguments of another verb, as if typed."""
    from nncore.cli.parser import parse  # imports this file

    seed = ["--seed", str(args.seed)] if args.seed and words[0] == "train" else []
    return parse([*map(str, words), *seed])


def _say_command(out: Output, args: argparse.Namespace) -> None:
    out.say(f"\n$ {args.command_line}")


def _found(root: Path, digits: DigitFolders) -> str:
    counts = digits.images
    return "\n".join(
        [
            f"1,797 real handwritten digits, {SIDE}x{SIDE} pixels",
            "(UCI Machine Learning Repository, E. Alpaydin and C. Kaynak, CC BY 4.0)",
            f"  {printable(str(digits.train))}: {counts['train']:,} PNG files in one folder per "
            "class, and classes.csv",
            f"  {printable(str(digits.test))}: {counts['test']:,}, for the final exam only",
            f"  {printable(str(digits.unlabelled))}: {counts['unlabelled']:,}, to be named",
        ]
    )


def _summary(
    root: Path, model: Path, digits: DigitFolders, accuracy: float, descent: Path, hints: bool
) -> str:
    tests = digits.images["test"]
    lines = [
        f"test accuracy {accuracy:.2%} on {tests:,} digits that training never saw",
        "(by the same 13 people; on the writing of others it would be lower)",
        f"model and curves   {printable(str(model))}/",
        f"test report        {printable(str(root / 'test-report'))}/",
        f"gradient descent   {printable(str(descent))}",
        f"the pictures       {printable(str(root / 'digits'))}/",
    ]
    if hints:
        folder, run = shlex.quote(str(digits.train)), shlex.quote(str(model))
        test = shlex.quote(str(digits.test))
        lines += [
            "",
            "try next:",
            f"  nncore train {folder} --model linear      a network without hidden layers",
            f"  nncore train {folder} --model linear --loss mse --learning-rate 5",
            "                                            what too long steps do",
            f"  nncore evaluate {run} {test} --json",
            "  nncore train YOUR-FOLDER                  one sub-folder of images per class",
        ]
    return "\n".join(lines)


def _json(
    root: Path,
    digits: DigitFolders,
    trained: train.Outcome,
    tested: evaluate.Outcome,
    predictions: Predictions,
    descent: Path,
) -> dict[str, Any]:
    report = tested.report.to_dict()
    return {
        "test_accuracy": report["accuracy"],
        "test_accuracy_interval": report["accuracy_interval"],
        "test_loss": report["loss"],
        "test_images": report["images"],
        "output": str(root),
        "run": str(trained.run.path),
        "model": tested.model,
        "train_folder": str(digits.train),
        "test_folder": str(digits.test),
        "test_report": tested.files,
        "gradient_descent": str(descent),
        "training": train.as_json(trained),
        "predictions": predict.as_json(predictions)["predictions"],
    }

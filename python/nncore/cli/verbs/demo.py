"""Everything once, on real handwritten digits that come with nncore: write them as folders of
PNG files, train, evaluate on files that training never saw, draw, and name a few unlabelled ones.
Needs no network and takes a few seconds. The commands shown are those that it runs."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nncore.cli import measuring, predicting
from nncore.cli.descent import draw_descent
from nncore.cli.digits import SIDE, DigitFolders, write_digits
from nncore.cli.failures import INTERRUPTED
from nncore.cli.flags import values
from nncore.cli.flags.common import add_min_accuracy
from nncore.cli.gate import gate
from nncore.cli.measuring import EvaluateSettings
from nncore.cli.models import AUTO_BACKBONE, Network
from nncore.cli.output import Output, printable, write_error
from nncore.cli.predicting import PredictSettings
from nncore.cli.quoting import joined, quoted
from nncore.cli.training import words
from nncore.cli.training.plan import Outcome, RunPlace, TrainSettings
from nncore.cli.training.run import train

if TYPE_CHECKING:
    from nncore.training.answers.predictions import Predictions

HELP = "everything once, on real handwritten digits"
EXAMPLES = (("nncore demo", "writes the folder nncore-demo"),)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--output",
        type=values.path,
        default="nncore-demo",
        metavar="DIR",
        help="where everything is written; may exist (default nncore-demo)",
    )
    add_min_accuracy(parser)


@dataclass(frozen=True)
class Settings:
    """Where everything is written; the accuracy that must be reached."""

    output: str
    min_accuracy: float | None
    seed: int


def settings(args: argparse.Namespace) -> Settings:
    return Settings(args.output, args.min_accuracy, args.seed)


def run(settings: Settings, out: Output) -> int:
    root = Path(settings.output)
    digits = write_digits(root)
    commands = Commands(root, digits, settings.seed)
    out.say(_found(root, digits))

    training = commands.train()
    _say_command(out, training.command)
    trained = train(training, out)
    if trained.plan.model.interrupted:
        write_error("the demo was interrupted in training; run it again, it takes a few seconds")
        return INTERRUPTED
    model = trained.run.path
    out.say(words.text(trained, hints=False))

    command, testing = commands.evaluate()
    _say_command(out, command)
    tested = measuring.evaluate(testing, out)
    out.say(str(tested.report))

    command, naming = commands.predict()
    _say_command(out, command)
    predictions = predicting.predict(naming)
    for one in predictions:
        out.say(f"{predicting.line(one)}\t({digits.answers[Path(one.path or '').name]})")

    command, descent = commands.plot()
    _say_command(out, command)
    draw_descent(descent, {})
    out.say()

    accuracy = tested.report.accuracy
    data = _json(root, digits, trained, tested, predictions, descent)
    told = _summary(root, model, digits, accuracy, descent, hints=not out.quiet)
    out.result(told, data)
    return gate(settings.min_accuracy, tested.report, "test")


@dataclass(frozen=True)
class Commands:
    """The other verbs that the demo stands for: as they are typed, and the settings that the parser
    would make of that."""

    root: Path
    digits: DigitFolders
    seed: int

    @property
    def model(self) -> str:
        return str(self.root / "runs" / "digits")

    def train(self) -> TrainSettings:
        from nncore.data import Reading
        from nncore.training.settings import TrainingSettings

        network, runs = Network(backbone=AUTO_BACKBONE), str(self.root / "runs")
        flags = ["--output", runs, "--name", "digits", "--overwrite"]
        seed = ["--seed", str(self.seed)] if self.seed else []
        return TrainSettings(
            command=_command("train", self.digits.train, *flags, *seed),
            source=str(self.digits.train),
            reading=Reading(cache=True),
            training=TrainingSettings(),
            network=network,
            place=RunPlace(runs, "digits", overwrite=True),
            seed=self.seed,
        )

    def evaluate(self) -> tuple[str, EvaluateSettings]:
        from nncore.data import Reading

        test, report = str(self.digits.test), str(self.root / "test-report")
        command = _command("evaluate", self.model, test, "--output", report)
        reading = Reading(cache=True)
        return command, EvaluateSettings(self.model, test, reading, output=report, command=command)

    def predict(self) -> tuple[str, PredictSettings]:
        folder = str(self.digits.unlabelled)
        return _command("predict", self.model, folder), PredictSettings(self.model, (folder,))

    def plot(self) -> tuple[str, str]:
        """The command, and the file that it draws."""
        file = str(self.root / "gradient-descent.png")
        return _command("plot", "gradient-descent", "--output", file), file


def _command(*words: str | Path) -> str:
    return joined(["nncore", *map(str, words)])


def _say_command(out: Output, command: str) -> None:
    out.say(f"\n$ {command}")


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
    root: Path, model: Path, digits: DigitFolders, accuracy: float, descent: str, hints: bool
) -> str:
    tests = digits.images["test"]
    lines = [
        f"test accuracy {accuracy:.2%} on {tests:,} digits that training never saw",
        "(by the same 13 people; on the writing of others it would be lower)",
        f"model and curves   {printable(str(model))}/",
        f"test report        {printable(str(root / 'test-report'))}/",
        f"gradient descent   {printable(descent)}",
        f"the pictures       {printable(str(root / 'digits'))}/",
    ]
    if hints:
        folder, run = quoted(str(digits.train)), quoted(str(model))
        test = quoted(str(digits.test))
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
    trained: Outcome,
    tested: measuring.Outcome,
    predictions: Predictions,
    descent: str,
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
        "gradient_descent": descent,
        "training": words.as_json(trained),
        "predictions": predictions.to_dict()["predictions"],
    }

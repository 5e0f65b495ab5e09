"""Find a learning rate: train for some steps while it grows, and see where the loss falls fastest
(the range test of Smith, 2017). Nothing is kept but the plot that is asked for."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli import models
from nncore.cli.destinations import check_picture
from nncore.cli.failures import DONE, UsageError
from nncore.cli.flags import common, reading, training, values
from nncore.cli.flags.network import add_network, network_of, network_words
from nncore.cli.inputs import load_labelled
from nncore.cli.models import DEFAULT_MODEL, Network
from nncore.cli.output import Output, count, printable
from nncore.cli.photos import look
from nncore.cli.quoting import joined

if TYPE_CHECKING:
    from nncore.data import Reading
    from nncore.training.learning_rate_search import LearningRates
    from nncore.training.settings import TrainingSettings

HELP = "find a learning rate for a folder of images"
EXAMPLES = (
    (
        "nncore lr-find photos/ --plot rates.png",
        "the loss over learning rates, and one to begin with",
    ),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    common.add_labelled(parser)
    model = parser.add_argument_group("model and training, as of nncore train")
    add_network(model)
    training.add_optimizer(model)
    search = parser.add_argument_group("search")
    for name, default, text in (("start", 1e-6, "first"), ("end", 10.0, "last")):
        search.add_argument(
            f"--{name}",
            type=values.positive,
            default=default,
            metavar="RATE",
            help=f"{text} learning rate (default {default:g})",
        )
    search.add_argument(
        "--steps",
        type=values.whole(10),
        default=200,
        metavar="N",
        help="steps from one to the other, in equal ratios (default 200)",
    )
    search.add_argument(
        "--plot", type=values.path, metavar="FILE", help="draw loss over learning rate (.png, ...)"
    )
    reading.add_images(parser)


@dataclass(frozen=True)
class Settings:
    """For which images, network and optimizer, between which rates; `network_words` are the flags
    that were given for the network, to say them again."""

    source: str
    reading: Reading
    network: Network
    network_words: tuple[str, ...]
    training: TrainingSettings
    start: float
    end: float
    steps: int
    plot: str | None
    seed: int


def settings(args: argparse.Namespace) -> Settings:
    # Its own schedule is not looked at, and the images are not changed.
    asked = dataclasses.replace(training.training_of(args), schedule="constant", augment="off")
    network = network_of(args, asked)
    asked = asked.filled(network.defaults())
    if asked.momentum is not None and asked.optimizer not in training.WITH_MOMENTUM:
        raise UsageError(f"--momentum is for --optimizer {' and '.join(training.WITH_MOMENTUM)}")
    if args.start >= args.end:
        raise UsageError(f"--start {args.start:g} must be below --end {args.end:g}")
    return Settings(
        source=args.data,
        reading=reading.reading_of(args),
        network=network,
        network_words=network_words(args),
        training=asked,
        start=args.start,
        end=args.end,
        steps=args.steps,
        plot=args.plot,
        seed=args.seed,
    )


@dataclass(frozen=True)
class Outcome:
    """What was found, with what `training` came to, on how many images."""

    found: LearningRates
    training: TrainingSettings
    images: int


def run(settings: Settings, out: Output) -> int:
    outcome = search(settings, out)
    out.result(_text(settings, outcome, hints=not out.quiet), as_json(settings, outcome))
    return DONE


def search(settings: Settings, out: Output) -> Outcome:
    """Read the images, search, and draw the plot if that is asked for."""
    from nncore.data.normalization import with_normalization
    from nncore.plots._figure import checked_format
    from nncore.training.learning_rate_search import lr_find
    from nncore.training.model import Sequential

    checked_format(settings.plot)
    if settings.plot is not None:
        check_picture(settings.plot, "--plot")
    if _is_left_open(settings):
        out.warn(
            "these pictures are large enough to be photos, with which train begins on a network "
            "that knows some; the learning rate is for --backbone none"
        )
    network, seed = settings.network, settings.seed
    data = with_normalization(load_labelled(settings.source, settings.reading, out))
    training, _ = models.choose(network, settings.training, data, validated=False)
    shape = data.preprocessing.input_shape
    model = Sequential(network.layers(len(data.classes), shape, training), name=network.model)
    model.build(shape, seed)
    arguments = training.fit_arguments(model.default_optimizer)
    found = lr_find(
        model,
        data,
        loss=training.loss,
        optimizer=arguments["optimizer"],
        batch_size=arguments["batch_size"],
        start=settings.start,
        end=settings.end,
        steps=settings.steps,
        seed=seed,
    )
    if settings.plot is not None:
        found.plot(settings.plot)
    return Outcome(found, training, len(data))


def _is_left_open(settings: Settings) -> bool:
    """Whether `nncore train` would choose another network for these pictures."""
    reading = settings.reading
    said = reading.size is not None or reading.color == "gray" or settings.network_words
    if settings.network.model != DEFAULT_MODEL or said:
        return False
    return look(settings.source, reading.layout).suits


def _text(settings: Settings, outcome: Outcome, hints: bool) -> str:
    found, training = outcome.found, outcome.training
    model, steps = settings.network.model, count(len(found.rates), "step")
    lines = [
        f"learning rate {found.suggestion:.2g} for {training.optimizer}, model {model}, "
        f"batches of {training.batch_size}",
        f"  where the loss falls fastest: {steps} from {found.rates[0]:.2g} to "
        f"{found.rates[-1]:.2g}, loss {found.smoothed[0]:.4g}, lowest {found.smoothed.min():.4g}",
    ]
    if settings.plot is not None:
        lines.append(f"written: {printable(settings.plot)}")
    if hints:
        words = ["nncore", "train", settings.source, "--model", model, *settings.network_words]
        if _is_left_open(settings):
            words += ["--backbone", "none"]
        words += ["--optimizer", str(training.optimizer), "--batch-size", str(training.batch_size)]
        if training.momentum is not None:
            words += ["--momentum", f"{training.momentum:g}"]
        words += ["--learning-rate", f"{found.suggestion:.2g}"]
        lines += ["", "try next:", f"  {printable(joined(words))}"]
    return "\n".join(lines)


def as_json(settings: Settings, outcome: Outcome) -> dict[str, Any]:
    """What `nncore lr-find --json` prints."""
    found, training = outcome.found, outcome.training
    return {
        "suggestion": found.suggestion,
        "rates": found.rates.tolist(),
        "losses": found.losses.tolist(),
        "smoothed": found.smoothed.tolist(),
        "model": settings.network.model,
        "optimizer": training.optimizer,
        "loss_name": training.loss,
        "batch_size": training.batch_size,
        "images": outcome.images,
        "plot": settings.plot,
    }

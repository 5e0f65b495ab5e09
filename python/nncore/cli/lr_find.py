"""Find a learning rate: train for some steps while it grows, and see where the loss falls fastest
(the range test of Smith, 2017). Nothing is kept but the plot that is asked for."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nncore.cli import options, recipe, training_options
from nncore.cli.failures import DONE, UsageError
from nncore.cli.inputs import load_labelled
from nncore.cli.output import Output, count, printable

if TYPE_CHECKING:
    from nncore.training.learning_rate_search import LearningRates

HELP = "find a learning rate for a folder of images"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    options.add_labelled(parser)
    model = parser.add_argument_group("model and training, as of nncore train")
    recipe.add_arguments(model)
    training_options.add_optimizer(model)
    search = parser.add_argument_group("search")
    for name, default, text in (("start", 1e-6, "first"), ("end", 10.0, "last")):
        search.add_argument(
            f"--{name}",
            type=options.positive,
            default=default,
            metavar="RATE",
            help=f"{text} learning rate (default {default:g})",
        )
    search.add_argument(
        "--steps",
        type=options.whole(10),
        default=200,
        metavar="N",
        help="steps from one to the other, in equal ratios (default 200)",
    )
    search.add_argument("--plot", metavar="FILE", help="draw loss over learning rate (.png, ...)")
    data = parser.add_argument_group("images")
    options.add_size_and_color(data)
    options.add_max_broken(data)
    options.add_max_pixels(data)
    options.add_cache(data)
    # The rest of what an optimizer is made of: its own rate is not looked at.
    parser.set_defaults(
        learning_rate=None,
        weight_decay=None,
        schedule="constant",
        warmup=0.0,
        epochs=None,
        max_minutes=None,
        augment="off",
    )


@dataclass(frozen=True)
class Outcome:
    """What was found, with what, on how many images."""

    found: LearningRates
    model: str
    optimizer: str
    images: int
    network: tuple[str, ...]  # the flags that were given for it


def run(args: argparse.Namespace, out: Output) -> int:
    outcome = search(args, out)
    out.result(_text(args, outcome, hints=not out.quiet), as_json(args, outcome))
    return DONE


def search(args: argparse.Namespace, out: Output) -> Outcome:
    """Read the images, search, and draw the plot if that is asked for."""
    from nncore.data.normalization import with_normalization
    from nncore.plots._figure import checked_format
    from nncore.training.learning_rate_search import lr_find
    from nncore.training.model import Sequential

    _check(args)
    checked_format(args.plot)
    data = load_labelled(
        args.data,
        out,
        size=args.size,
        color=None if args.color == "auto" else args.color,
        max_broken=args.max_broken,
        max_pixels=args.max_pixels,
        cache=args.cache,
    )
    data = with_normalization(data)
    network = recipe.network_flags(args)
    recipe.choose(args, data, validated=False)
    shape = data.preprocessing.input_shape
    model = Sequential(recipe.layers_of(args, len(data.classes), shape), name=args.model)
    model.build(shape, args.seed)
    found = lr_find(
        model,
        data,
        loss=args.loss,
        optimizer=training_options.optimizer_of(args, model, 1),
        batch_size=args.batch_size,
        start=args.start,
        end=args.end,
        steps=args.steps,
        seed=args.seed,
    )
    if args.plot is not None:
        found.plot(args.plot)
    return Outcome(found, args.model, args.optimizer, len(data), network)


def _check(args: argparse.Namespace) -> None:
    """What is known to be wrong before images are read; UsageError."""
    if args.model is None:
        args.model = recipe.DEFAULT_MODEL
    recipe.settle(args)
    if args.momentum is not None and args.optimizer not in training_options.WITH_MOMENTUM:
        raise UsageError(
            f"--momentum is for --optimizer {' and '.join(training_options.WITH_MOMENTUM)}"
        )
    if args.start >= args.end:
        raise UsageError(f"--start {args.start:g} must be below --end {args.end:g}")


def _text(args: argparse.Namespace, outcome: Outcome, hints: bool) -> str:
    found = outcome.found
    steps = count(len(found.rates), "step")
    lines = [
        f"learning rate {found.suggestion:.2g} for {outcome.optimizer}, model {outcome.model}, "
        f"batches of {args.batch_size}",
        f"  where the loss falls fastest: {steps} from {found.rates[0]:.2g} to "
        f"{found.rates[-1]:.2g}, loss {found.smoothed[0]:.4g}, lowest {found.smoothed.min():.4g}",
    ]
    if args.plot is not None:
        lines.append(f"written: {printable(args.plot)}")
    if hints:
        words = ["nncore", "train", args.data, "--model", outcome.model, *outcome.network]
        words += ["--optimizer", outcome.optimizer, "--batch-size", str(args.batch_size)]
        if args.momentum is not None:
            words += ["--momentum", f"{args.momentum:g}"]
        words += ["--learning-rate", f"{found.suggestion:.2g}"]
        lines += ["", "try next:", f"  {printable(shlex.join(words))}"]
    return "\n".join(lines)


def as_json(args: argparse.Namespace, outcome: Outcome) -> dict[str, Any]:
    """What `nncore lr-find --json` prints."""
    found = outcome.found
    return {
        "suggestion": found.suggestion,
        "rates": found.rates.tolist(),
        "losses": found.losses.tolist(),
        "smoothed": found.smoothed.tolist(),
        "model": outcome.model,
        "optimizer": outcome.optimizer,
        "loss_name": args.loss,
        "batch_size": args.batch_size,
        "images": outcome.images,
        "plot": args.plot,
    }

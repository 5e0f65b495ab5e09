"""What is told about a recipe: each choice as a flag, with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nncore.cli.output import Output, printable

if TYPE_CHECKING:
    from nncore.training.recipes.recipe import Recipe
    from nncore.training.settings import TrainingSettings


def say(named: str, training: TrainingSettings, chosen: Recipe, out: Output) -> None:
    """Each choice as a flag, with its reason; and the time that it will take."""
    if not (out.json or out.quiet):  # then nobody waits for the time to be measured
        flags = choices(chosen)
        width = max(len(flag) for flag, _ in flags)
        out.say(f"recipe of {named}, chosen from the data; flags change it:")
        for flag, reason in flags:
            out.say(f"  {flag:{width}}  {printable(reason)}")
        seconds = chosen.seconds()
        out.say(
            f"time: about {_duration(seconds)} here; Ctrl-C ends it earlier and keeps what is "
            "trained"
        )
        if training.max_minutes is not None and seconds > 60 * training.max_minutes:
            in_time = int((training.epochs or 1) * 60 * training.max_minutes / seconds)
            out.warn(
                f"--max-minutes {training.max_minutes:g} will end this here before the learning "
                f"rate has fallen, which costs accuracy; about --epochs {max(1, in_time)} would be "
                "finished in time"
            )
    for note in chosen.notes:
        out.warn(f"{note} (--backbone, --features)" if chosen.short_of_images else note)


def reasons(chosen: Recipe) -> dict[str, str]:
    """Why, with the flag that helps."""
    found = dict(chosen.reasons)
    if chosen.short_of_time:
        found["epochs"] += " (--max-minutes)"
    return found


def choices(chosen: Recipe) -> list[tuple[str, str]]:
    """Each choice as its flag, with its reason."""
    why = reasons(chosen)
    return [(_flag(name, value), why[name]) for name, value in chosen.settings.items()]


def as_json(chosen: Recipe | None) -> dict[str, Any] | None:
    """The part of `nncore train --json`."""
    if chosen is None:
        return None
    return {"settings": dict(chosen.settings), "reasons": reasons(chosen)}


def _flag(name: str, value: Any) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {value}"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.1f} minutes"

"""Settings: a command line becomes one frozen value, and nothing behind it sees the arguments."""

from __future__ import annotations

import ast
import dataclasses
from pathlib import Path

import pytest

import nncore.cli
from nncore.cli.digits import DigitFolders
from nncore.cli.flags import augmentation, training
from nncore.cli.parser import VERBS, parse
from nncore.cli.verbs.demo import Commands
from nncore.data.augmentation import PRESETS
from nncore.optimizers import OPTIMIZERS
from nncore.training import settings

ROOM = Path(nncore.cli.__file__).parent
LINES = {
    "check": ("a",),
    "audit": ("a",),
    "train": ("a", "--epochs", "2"),
    "evaluate": ("a", "b"),
    "predict": ("a", "b"),
    "explain": ("a", "b", "--output", "c"),
    "lr-find": ("a",),
    "info": (),
    "plot": ("a",),
    "serve": ("a",),
    "export": ("a", "--output", "net.onnx"),
    "report": ("a",),
    "demo": (),
    "completion": ("bash",),
}


def imports(file: Path) -> set[str]:
    """Every module or name that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def test_only_flags_and_verbs_see_arguments():
    for file in ROOM.rglob("*.py"):
        if file.parent.name not in ("flags", "verbs") and file.name not in ("parser.py", "help.py"):
            assert "argparse" not in imports(file), file


@pytest.mark.parametrize("verb", VERBS)
def test_settings_are_frozen_and_equal_again(verb):
    first, second = (parse([verb, *LINES[verb]]).settings for _ in range(2))
    assert first == second
    for one in values(first):
        assert one.__dataclass_params__.frozen, one


def values(one):
    yield one
    for field in dataclasses.fields(one):
        if dataclasses.is_dataclass(getattr(one, field.name)):
            yield from values(getattr(one, field.name))


@pytest.mark.parametrize("seed", [0, 7])
def test_the_demo_runs_what_it_shows(seed, tmp_path):
    places = (tmp_path / "it's" / name for name in ("train", "test", "unlabelled"))
    commands = Commands(tmp_path / "it's", DigitFolders(*places, {}, {}), seed)
    shown = commands.train()
    assert typed(shown.command) == shown
    for command, run in (commands.evaluate(), commands.predict()):
        assert typed(command) == run
    command, file = commands.plot()
    assert typed(command).output == file


def typed(command: str):
    import shlex

    found = parse(shlex.split(command)[1:]).settings
    return getattr(found, "train", getattr(found, "evaluate", found))


def test_words_of_flags_are_those_of_settings():
    # Written twice, since the command line's help loads nothing heavy.
    assert tuple(OPTIMIZERS) == training.OPTIMIZERS
    assert tuple(settings.SCHEDULES) == training.SCHEDULES
    assert tuple(PRESETS) == augmentation.STRENGTHS


def test_every_setting_of_training_has_a_flag():
    flags = vars(parse_only("train", "a"))
    fields = {field.name for field in dataclasses.fields(settings.TrainingSettings)}
    assert fields <= set(flags)


def parse_only(*words: str):
    from nncore.cli.parser import build_parser

    return build_parser().parse_args(words)

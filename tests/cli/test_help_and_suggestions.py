"""Help that is worth reading, and what was meant by words that do not exist."""

from __future__ import annotations

import json
import shlex

import pytest

from nncore.cli.failures import UsageError
from nncore.cli.parser import VERBS, build_parser, parse, verb_parsers
from nncore.cli.suggestions import did_you_mean


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("trian", "photos"), "no verb 'trian'; did you mean train?"),
        (("Predict", "x"), "did you mean predict?"),
        (("train", "x", "--epoks", "3"), "--epoks; did you mean --epochs?"),
        (("train", "x", "--epoch=3"), "--epoch; did you mean --epochs?"),
        (("train", "x", "--lr", "0.1"), "--lr; did you mean --learning-rate"),
        (("evaluate", "x", "y", "--accuracy", "1"), "--accuracy; did you mean --min-accuracy?"),
    ],
)
def test_the_nearest_word_is_named(fails, words, meant):
    error = fails(2, *words)
    assert meant in error
    verb = words[0] if words[0] in VERBS else ""
    assert f"(see: nncore {verb} --help)".replace("  ", " ") in error or not verb


@pytest.mark.parametrize("verb", ["predict", "evaluate", "explain"])
def test_a_forgotten_model(fails, run, pictures, tmp_path, verb):
    picture = pictures / "lying" / "0.png"
    for given in (picture, pictures, "none.png"):
        told = fails(2, verb, given)
        assert told.startswith(f"MODEL is missing: {given} was taken for it; say first which model")
        assert f"nncore {verb} runs/run-1 {given} (see: nncore {verb} --help)" in told
    for model in (run, run / "best.safetensors", "gone.safetensors", tmp_path / "gone"):
        told = fails(2, verb, model)
        assert told.startswith("the following arguments are required: ")
        assert "MODEL" not in told


def test_help_as_a_verb(call):
    assert call("help") == call("--help")
    assert call("help", "train") == call("train", "--help")
    assert call("help").code == 0


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("train", "x", "--test", "15"), "; did you mean 0.15?"),
        (("train", "x", "--val", "12.5"), "; did you mean 0.125?"),
        (("evaluate", "x", "y", "--min-accuracy", "90"), "; did you mean 0.9?"),
        (("predict", "x", "y", "--coverage", "95"), "; did you mean 0.95?"),
        (("train", "x", "--test", "-1"), "not -1 (see"),
        (("train", "x", "--test", "1"), "not 1 (see"),
        (("train", "x", "--test", "100"), "not 100 (see"),
    ],
)
def test_percent_for_a_part(fails, words, meant):
    assert meant in fails(2, *words)


def test_nothing_is_made_up(fails):
    assert "did you mean" not in fails(2, "fly")
    assert "did you mean" not in fails(2, "train", "x", "--zzzzzz")
    assert "unrecognized arguments: y 'z z'" in fails(2, "train", "x", "y", "z z")
    assert did_you_mean("--", ["--epochs"]) == ""


@pytest.mark.parametrize("verb", VERBS)
def test_examples_are_commands(verb):
    """Each example of a verb is understood as a command line of that verb."""
    own = 0
    for command, says in VERBS[verb].EXAMPLES:
        words = shlex.split(command.partition(" > ")[0])
        assert says
        if words[0] == "nncore":
            own += 1
            assert words[1] == verb
            parse(words[1:])  # raises UsageError
    assert own
    with pytest.raises(UsageError):
        parse([verb, "--no-such-flag"])


@pytest.mark.parametrize("verb", VERBS)
def test_help_begins_with_what_matters(verb):
    text = verb_parsers(build_parser())[verb].format_help()
    lines = text.splitlines()
    assert lines[0].startswith(f"usage: nncore {verb} [options]")
    assert lines[1] == ""
    places = [text.index(f"\n  {flag} ") for flag in getattr(VERBS[verb], "FIRST", ())]
    assert places == sorted(places)
    assert max(places, default=0) < text.index("\nexamples:\n") < text.index("\noptions:\n")


def test_bug_reports_say_machine_and_packages(call):
    facts = json.loads(call("info", "--json").out)
    assert {"version", "isa", "python", "platform", "processor", "cpus", "packages"} <= set(facts)
    assert facts["cpus"] >= 1
    assert isinstance(facts["packages"], dict)
    assert f"platform   {facts['platform']}\n" in call("info").out

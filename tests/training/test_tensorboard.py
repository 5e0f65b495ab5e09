"""`nn.TensorBoard`: event files, read back record by record."""

from __future__ import annotations

import io
import pickle
import struct
import sys
from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

import nncore as nn
from small_fits import blobs, fit, small_model, weights

pytestmark = pytest.mark.every_isa


def events(folder):
    """Of all event files: {tag: {step: value}}."""
    from tensorboardX.crc32c import crc32c
    from tensorboardX.proto.event_pb2 import Event

    found = defaultdict(dict)
    for path in sorted(folder.iterdir()):
        data, at = path.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            record = data[at + 12 : at + 12 + length]
            (masked,) = struct.unpack_from("<I", data, at + 12 + length)
            sum_ = crc32c(record)
            assert masked == ((sum_ >> 15 | sum_ << 17) + 0xA282EAD8) & 0xFFFFFFFF
            event = Event.FromString(record)
            for value in event.summary.value:
                found[value.tag][event.step] = value
            at += 16 + length
    return found


def test_scalars_of_every_epoch(tmp_path):
    board = nn.TensorBoard(tmp_path / "logs")
    history = fit(small_model(), validation_data=blobs(30, 1), callbacks=[board])
    found = events(tmp_path / "logs")
    for tag, name in {
        "loss/training": "loss",
        "loss/validation": "val_loss",
        "accuracy/training": "accuracy",
        "accuracy/validation": "val_accuracy",
    }.items():
        told = [found[tag][step].simple_value for step in (1, 2, 3)]
        assert told == pytest.approx(history.history[name])
    assert found["learning_rate"][1].simple_value == pytest.approx(0.1)
    assert found["seconds"][3].simple_value == pytest.approx(history.seconds[2])
    assert "samples" not in found


def test_distributions_of_the_weights(tmp_path):
    model = small_model()
    fit(model, epochs=4, callbacks=[nn.TensorBoard(tmp_path, histogram_freq=2)])
    found = events(tmp_path)
    parameters = model.get_parameters()
    assert set(parameters) < set(found)
    for name, values in parameters.items():
        assert sorted(found[name]) == [2, 4]
        told = found[name][4].histo
        assert told.num == values.size
        assert told.sum == pytest.approx(values.sum(dtype=np.float64), abs=1e-6)
        assert (told.min, told.max) == (values.min(), values.max())
        assert sum(told.bucket) == values.size
    fit(small_model(), callbacks=[nn.TensorBoard(tmp_path / "none", histogram_freq=0)])
    assert not set(parameters) & set(events(tmp_path / "none"))


def test_distributions_in_the_end_where_nobody_says_how_often(tmp_path):
    fit(small_model(), epochs=200, callbacks=[nn.TensorBoard(tmp_path)])
    found = events(tmp_path)
    steps = sorted(found["dense/kernel"])
    # After the first epoch, as nothing is known of how long it takes; then the time decides.
    assert (steps[0], steps[-1]) == (1, 200)
    assert len(steps) < 100
    assert len(found["loss/training"]) == 200


def test_of_very_many_numbers_every_nth_is_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("nncore.interop.event_files._MOST_COUNTED", 100)
    fit(small_model(), callbacks=[nn.TensorBoard(tmp_path)])
    assert events(tmp_path)["dense/kernel"][1].histo.num == 64  # of 128


def test_pictures_in_the_end(tmp_path, monkeypatch):
    drawn = []

    def answers(pictures, found):
        drawn.append(found)
        return nn.plots.contact_sheet({"a": pictures[:1]})

    monkeypatch.setattr("nncore.plots.answers", answers)
    model, data = small_model(), blobs(30, 1)
    fit(model, callbacks=[nn.TensorBoard(tmp_path, images=data)])
    (steps,) = [events(tmp_path)["samples"]]
    assert 3 in steps
    picture = Image.open(io.BytesIO(steps[3].image.encoded_image_string))
    assert picture.size == (steps[3].image.width, steps[3].image.height)
    # Those that were drawn last are what the model says in the end.
    assert len(drawn[-1]) == 10
    x, y = data
    (first,) = [one for one in drawn[-1] if one.index == 0]
    expected = model.predict_proba(x[np.flatnonzero(y == 0)[:1]])[0]
    assert first.true == "0"
    assert first.probability == pytest.approx(expected.max(), abs=1e-6)
    assert first.true_probability == pytest.approx(expected[0], abs=1e-6)


def test_the_weights_do_not_depend_on_it(tmp_path):
    plain, shown = small_model(), small_model()
    fit(plain, epochs=5)
    fit(shown, epochs=5, callbacks=[nn.TensorBoard(tmp_path)])
    assert weights(shown) == weights(plain)


def test_two_trainings_of_one_second_keep_both(tmp_path):
    model, board = small_model(), nn.TensorBoard(tmp_path)
    history = fit(model, epochs=1, callbacks=[board])
    fit(model, epochs=1, history=history, callbacks=[board])
    assert sorted(events(tmp_path)["loss/training"]) == [1, 2]


def test_a_full_disk_ends_the_files_and_not_the_training(tmp_path, monkeypatch, capsys):
    calls = []

    def full(self, event):
        calls.append(event)
        raise OSError(28, "No space left on device")

    board = nn.TensorBoard(tmp_path)

    class Fill(nn.Callback):
        def on_train_begin(self):
            monkeypatch.setattr("tensorboardX.event_file_writer.EventsWriter.write_event", full)

    assert len(fit(small_model(), callbacks=[board, Fill()])) == 3
    told = capsys.readouterr().err
    assert told == f"nncore: warning: {tmp_path}: no more event files: No space left on device\n"
    assert len(calls) == 1


def test_a_folder_that_cannot_be_made_is_told_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    model = small_model()
    with pytest.raises(OSError, match=r"file"):
        fit(model, callbacks=[nn.TensorBoard(tmp_path / "file" / "logs")])
    assert not model.built


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    command = r'pip install "tensorboardX>=[0-9.]+"` \(the extra nncore\[tensorboard\]\)$'
    with pytest.raises(ImportError, match=command):
        nn.TensorBoard()


def test_wrong_arguments():
    with pytest.raises(ValueError, match="histogram_freq"):
        nn.TensorBoard(histogram_freq=-1)


def test_a_copy_writes_files_of_its_own(tmp_path):
    copies = []

    class Copy(nn.Callback):
        def on_epoch_end(self, epoch, logs):
            copies.append(pickle.loads(pickle.dumps(board)))

    board = nn.TensorBoard(tmp_path)
    fit(small_model(), epochs=1, callbacks=[board, Copy()])
    assert copies[0]._file is None
    assert copies[0].log_dir == board.log_dir

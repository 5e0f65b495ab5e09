"""Who takes part in `time_to_accuracy.py`: each module trains until told to stop.

``python -m races NAME TRAIN TEST TARGET EPOCHS SEED`` reads folders of PNG files, trains the same
network with Adam (1e-3, batches of 128), and after each epoch prints one line of JSON with the
epoch and the accuracy on the test folder. It ends at the target or after EPOCHS.
"""

RACES = {
    "nncore": ("nncore", "pip install ."),
    "torch": ("torch", "pip install torch==2.13.0"),
    "keras": ("keras", "pip install tensorflow-cpu"),
}

BATCH = 128
LEARNING_RATE = 1e-3
DROPOUT = 0.3

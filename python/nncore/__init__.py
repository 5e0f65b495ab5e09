"""nncore: train and run small image classifiers on ordinary CPUs.

>>> import nncore as nn
>>> train, val, test = nn.ImageDataset.from_folder("photos/").split(val=0.15, test=0.15, seed=0)
>>> model = nn.Sequential([nn.Flatten(), nn.Dense(128, activation="relu"), nn.Dense(3)])
>>> history = model.fit(train, validation_data=val, epochs=30)
>>> print(model.evaluate(test))

`__init__.pyi` lists the public names. Submodules are imported when a name of theirs is first used,
so that ``import nncore`` stays light; the core, too, so that the command line can report, in one
line, an ``NNCORE_ISA`` or ``NNCORE_NUM_THREADS`` that makes it refuse to load.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

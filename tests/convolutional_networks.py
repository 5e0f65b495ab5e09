"""Small networks of convolutions, each of which takes another path through the engine."""

from __future__ import annotations


def conv(filters, kernel, **options):
    return "conv2d", {"filters": filters, "kernel_size": kernel, **options}


def pool(kind, size, strides=None):
    return f"{kind}_pool2d", {"pool_size": size, "strides": strides or size}


FLATTEN = ("flatten", {})
OUTPUT = ("dense", {"units": 5})

# Each takes another path through the engine: fused and separate pools, winners or all pixels for
# the weight gradient, strides, every padding, channels around the block of 16.
NETWORKS = {
    "7x5, 1 channel": ((7, 5, 1), [conv(6, (3, 3), activation="relu"), FLATTEN]),
    "lenet in small": (
        (14, 14, 1),
        [
            conv(6, (5, 5), padding="explicit", pad=(2, 2), activation="relu"),
            pool("max", (2, 2)),
            conv(16, (5, 5), activation="relu"),
            FLATTEN,
        ],
    ),
    "winners": (
        (8, 10, 3),
        [
            conv(32, (3, 3), padding="same", activation="relu"),
            pool("max", (2, 2)),
            conv(48, (3, 3), padding="same", activation="tanh"),
            pool("max", (2, 2)),
            FLATTEN,
        ],
    ),
    "odd sizes drop a row": (
        (9, 7, 17),
        [conv(17, (2, 2), activation="relu"), pool("max", (2, 2)), conv(3, (2, 2)), FLATTEN],
    ),
    "wide channels": (
        (6, 5, 16),
        [
            conv(80, (3, 3), padding="same", activation="relu"),
            conv(64, (1, 1), activation="sigmoid"),
            pool("average", (2, 2)),
            FLATTEN,
        ],
    ),
    "strides": (
        (11, 9, 6),
        [
            conv(17, (3, 2), strides=(2, 3), padding="same", activation="relu"),
            conv(6, (3, 3), strides=(2, 1), padding="explicit", pad=(3, 1), activation="relu"),
            ("global_average_pool2d", {}),
        ],
    ),
    "strided convolution under a fused pool": (
        (17, 13, 16),
        [
            conv(32, (3, 3), strides=(2, 1), padding="same", activation="relu"),
            pool("max", (2, 2)),
            conv(16, (2, 2), activation="relu"),
            FLATTEN,
        ],
    ),
    "overlapping pools": (
        (10, 12, 3),
        [
            pool("max", (3, 3), (1, 2)),
            conv(6, (3, 3), use_bias=False, activation="tanh"),
            pool("max", (3, 2), (2, 1)),
            ("activation", {"activation": "tanh"}),
            pool("average", (2, 2), (1, 1)),
            FLATTEN,
        ],
    ),
    "self-gated": (
        (9, 10, 3),
        [
            ("rescaling", {"scale": [2.0, 1.0, 0.5], "offset": [-1.0, 0.0, 0.5]}),
            conv(17, (3, 3), padding="same", activation="gelu"),
            pool("max", (2, 2)),
            conv(33, (3, 3), padding="same", activation="leaky_relu"),
            pool("max", (2, 2)),
            ("rescaling", {"scale": [0.5], "offset": [1.0]}),
            conv(16, (2, 1), activation="silu"),
            FLATTEN,
            ("activation", {"activation": "gelu"}),
            ("dense", {"units": 20, "activation": "silu"}),
        ],
    ),
    "penalties": (
        (8, 10, 3),
        [
            conv(32, (3, 3), padding="same", activation="relu", l2=0.02),
            pool("max", (2, 2)),
            conv(5, (2, 2), activation="tanh", l1=0.01),
            FLATTEN,
            ("dense", {"units": 20, "activation": "relu", "l1": 0.001, "l2": 0.01}),
        ],
    ),
}


# With a stride, a pool behind, as the first layer and as a later one; groups by either way of
# computing them ("group by group", "lanes over the groups"), with one and several inputs and
# outputs of a group, around the block of 16.
NETWORKS |= {
    "dilated": (
        (13, 11, 5),
        [
            conv(7, (3, 3), dilation_rate=(2, 3), padding="same", activation="relu"),
            pool("max", (2, 2)),
            conv(17, (2, 3), dilation_rate=(3, 1), activation="tanh"),
            conv(4, (2, 2), dilation_rate=(1, 2), padding="explicit", pad=(3, 1)),
            FLATTEN,
        ],
    ),
    "dilated with strides, one channel": (
        (15, 40, 1),
        [
            conv(6, (3, 3), dilation_rate=(2, 2), strides=(2, 3), activation="relu"),
            conv(20, (3, 2), dilation_rate=(2, 4), strides=(3, 2), padding="same"),
            pool("max", (2, 2)),
            FLATTEN,
        ],
    ),
    "depthwise": (
        (9, 14, 3),
        [
            conv(3, (3, 3), groups=3, padding="same", activation="relu"),
            conv(33, (1, 1), activation="relu"),
            conv(33, (3, 3), groups=33, activation="tanh"),
            pool("max", (2, 2)),
            conv(33, (2, 3), groups=33, strides=(1, 2), padding="same", activation="sigmoid"),
            FLATTEN,
        ],
    ),
    "minimal filtering": (
        (7, 6, 34),
        [
            conv(40, (3, 3), padding="same", activation="relu"),
            conv(32, (3, 3), padding="explicit", pad=(3, 0), activation="tanh"),
            conv(48, (3, 3), activation="relu", use_bias=False),
            FLATTEN,
        ],
    ),
    "minimal filtering and pools": (
        (9, 12, 32),
        [
            conv(40, (3, 3), padding="same", activation="relu"),
            pool("max", (2, 2)),
            conv(33, (3, 3), padding="same", activation="tanh"),
            pool("max", (2, 2)),
            FLATTEN,
        ],
    ),
    # Threads share channels, too, where there are few tiles.
    "minimal filtering of many channels": (
        (4, 3, 128),
        [
            conv(140, (3, 3), padding="same", activation="relu"),
            conv(33, (3, 3), padding="same"),
            ("global_average_pool2d", {}),
        ],
    ),
    # Strides beyond the kernel, that divide it, and neither; borders that no window needs.
    "phases": (
        (17, 19, 4),
        [
            conv(18, (3, 3), padding="same", activation="relu"),
            conv(20, (5, 4), strides=(2, 3), padding="same", activation="relu"),
            conv(17, (1, 2), strides=(2, 1), padding="explicit", pad=(1, 3), activation="tanh"),
            conv(33, (2, 2), strides=(1, 2), padding="explicit", pad=(2, 0)),
            FLATTEN,
        ],
    ),
    "phases of groups": (
        (17, 19, 18),
        [
            conv(18, (3, 3), groups=18, padding="same", activation="relu"),
            conv(18, (5, 4), groups=18, strides=(2, 3), padding="same", activation="relu"),
            conv(
                36,
                (1, 2),
                groups=18,
                strides=(2, 1),
                padding="explicit",
                pad=(1, 3),
                activation="tanh",
            ),
            conv(54, (2, 3), groups=18, strides=(1, 2), padding="explicit", pad=(2, 0)),
            conv(20, (3, 2), groups=2, strides=(3, 2), padding="same", activation="relu"),
            FLATTEN,
        ],
    ),
    "depthwise multiplied": (
        (8, 7, 5),
        [
            conv(15, (3, 2), groups=5, padding="explicit", pad=(2, 1), activation="relu"),
            conv(30, (3, 3), groups=15, dilation_rate=(1, 2), use_bias=False),
            FLATTEN,
        ],
    ),
    "many groups": (
        (7, 9, 36),
        [
            conv(54, (3, 3), groups=18, padding="same", activation="relu"),
            conv(90, (3, 2), groups=18, strides=(2, 2), dilation_rate=(2, 1), activation="tanh"),
            FLATTEN,
        ],
    ),
    "few groups": (
        (8, 7, 6),
        [
            conv(20, (3, 3), groups=2, padding="same", activation="relu"),
            conv(80, (2, 3), groups=4, dilation_rate=(2, 1), activation="relu"),
            pool("max", (2, 2)),
            conv(18, (2, 2), groups=2, strides=(2, 1), padding="same", activation="tanh"),
            FLATTEN,
        ],
    ),
}


# Of which a sample goes backward in two bands or more.
BANDS = (
    (61, 20, 256),
    [
        conv(256, (1, 1), groups=256, activation="relu"),
        conv(256, (3, 3), groups=256, strides=(2, 2), padding="same", activation="relu"),
        conv(256, (5, 5), groups=256, padding="same", activation="relu"),
        conv(256, (1, 2), groups=256, strides=(3, 3), padding="explicit", pad=(4, 1)),
        ("global_average_pool2d", {}),
    ],
)

"""From what people give to what the engine takes: arrays, data sets and batches of images."""

"""One picture file to pixels: told by its content, decoded, turned upright, 8 bits, gray or RGB.

`decode.py` is the way through; knows nothing of classes, data sets or other files."""

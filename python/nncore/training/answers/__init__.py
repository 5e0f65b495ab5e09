"""What a model says of images, how far that can be relied on, and how good it was."""

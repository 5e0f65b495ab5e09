"""What an image is: its class, and its part of the split. Opens no picture."""

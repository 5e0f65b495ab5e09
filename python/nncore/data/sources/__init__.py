"""What people give, a folder, a table or arrays, as paths (or pixels), class names and parts.

Opens no picture either."""

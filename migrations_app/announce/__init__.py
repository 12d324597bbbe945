"""The channels messages go out by, one file each. The in-app inbox needs none: its rows are it."""

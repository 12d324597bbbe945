"""Pages of facts: the settings."""

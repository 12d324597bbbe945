"""The JSON API: a thin door over the same verbs, permissions and rails as the pages."""

"""The soak board: who is off, until when, who called, and what could not be heard."""

"""How far, how fast, and what needs whom: the Overview's questions and numbers."""

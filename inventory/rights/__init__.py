"""How far an IAM user's permissions reach, and what of them it uses. Pure."""

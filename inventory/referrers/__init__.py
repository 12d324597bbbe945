"""Who still names an IAM user, and what that means for its deletion. Pure."""

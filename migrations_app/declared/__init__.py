"""`iamcleanup.yaml`: what it says, what that makes of rows, and who is left out of it."""

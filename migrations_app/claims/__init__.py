"""Whose an IAM user is: links to answer by, what a team is asked, and its page."""

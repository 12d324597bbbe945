"""The ways out: from what an IAM user really does to a role or permission set that does just that.

Pure: facts go in, files come out. Only `reading` makes facts from rows.
"""

"""The verbs of change: request, approve, apply, sweep; the only writer of state.

Every verb a person calls takes that person, asks `inventory.permissions` again, raises `Refused`
with reasons, is one transaction, and enqueues on commit.
"""

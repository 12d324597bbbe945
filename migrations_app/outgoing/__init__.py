"""What people are told: who, in which words, by which channels, and the outbox that sends it."""

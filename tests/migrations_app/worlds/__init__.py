"""Seeded worlds: people, clocks, faults and foreign hands at random, against a reference model."""

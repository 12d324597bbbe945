"""Crash and fault proof by enumeration: every cell of scene × call or commit × disturbance.

The cells are generated from an undisturbed run of each scene, so a new call or a new commit brings
its own cells. `make test` runs a stratified selection, `make test-all` all of them.
"""

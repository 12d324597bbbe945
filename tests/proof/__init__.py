"""Whether the tests bite: mutants of the code that must not err, and the twenty rules taken out.

`python -m tests.proof` measures and writes what it measured to `docs/proof/`; `docs/proof.md` is
made from those files and from nothing else.
"""

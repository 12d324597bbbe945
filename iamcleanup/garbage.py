"""When Python looks for garbage in a process that lives long.

Everything that the start made (models, addresses, templates: about 190,000 objects) stays for the
life of the process. Python's collector would walk through all of it again and again, 0.1 s each
time, in the middle of somebody's request or change.
"""

from __future__ import annotations

import gc

# Objects made before the youngest generation is looked through; Python's own number is 700.
_YOUNG = 20_000


def leave_the_start_alone() -> None:
    """Take what there is now out of the collector's sight, and let it look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 20)

"""`python -m pipeline` is the command `pipeline`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # -m puts the working folder first; a user's own `models/` there must not stand for ours.
    if sys.path[0] in ("", os.getcwd()):
        sys.path.append(sys.path.pop(0))
    from pipeline.cli import main

    main()

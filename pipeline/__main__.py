"""`python -m pipeline` is the command `pipeline`."""

from __future__ import annotations

import os
import sys

if __name__ == "__main__":
    # -m puts the working folder first; a user's own `models/` there must not stand for ours. A
    # user's function is imported with its folder put back for that time only.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]
    from pipeline.cli import main

    main()

"""Code that was run here because its user said so: its digests, kept outside every folder.

A folder may have come from anyone, and its manifest may name any file. So the Python it names is
run again only where the same bytes were exported on this machine before, which is written down
under `$XDG_STATE_HOME/pipeline/confirmed` (`~/.local/state` by default), or where the user names
it once more.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifacts.digests import digest_file
from pipeline.received_json import parse_json

_LOG = logging.getLogger(__name__)


def confirm(name: str, sources: Sequence[Path]) -> None:
    """Write down that this code was run on the user's word, with the digest of each file.

    Args:
        name: What runs: an absolute file and a function, a dotted module, a checkpoint.
        sources: Every file of the user's that takes part.
    """
    digests = {str(path.resolve()): digest_file(path) for path in sources}
    place = _place(name)
    told = json.dumps({"name": name, "sources": digests}, indent=1) + "\n"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        temporary = place.with_suffix(f".{os.getpid()}")
        temporary.write_text(told, encoding="utf-8")
        temporary.replace(place)
    except OSError as error:
        _LOG.warning(
            "%s cannot be written (%s): later stages will ask for --model", place, error.strerror
        )


def is_confirmed(name: str) -> bool:
    """Return whether this code was run here before and none of its files has changed since."""
    try:
        told = parse_json(_place(name).read_text(encoding="utf-8"))
        sources = dict(told["sources"])
        return told["name"] == name and all(
            digest_file(Path(path)) == digest for path, digest in sources.items()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _place(name: str) -> Path:
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return Path(base) / "pipeline" / "confirmed" / f"{digest[:40]}.json"

"""`pipeline doctor`."""

from __future__ import annotations

import click

from pipeline.cli.console import Console
from pipeline.cli.options import common


@click.command("doctor")
@common
def command(as_json: bool, verbose: int) -> None:
    """Say what is installed, what can be built and run here, and what to install for the rest.

    Each ability is tried, not guessed: libraries are loaded and the GPU's driver is asked.
    """
    from pipeline.api import examine

    with Console(as_json=as_json, verbose=verbose) as console:
        found = examine(console)
        told = {**vars(found.machine), "memory": f"{found.machine.memory_bytes / 2**30:.1f} GiB"}
        del told["memory_bytes"]
        lines = [f"{name:>13}  {value}" for name, value in told.items()]
        lines.append(f"{'gpu':>13}  {found.gpu.name if found.gpu else 'none'}")
        lines.append("")
        for ability in found.abilities:
            lines.append(f"{'  yes' if ability.able else '   no'}  {ability.name}")
            lines.append(f"       {ability.detail}")
            lines += [f"       -> {ability.fix}"] if ability.fix else []
        lines.append("")
        for lib in found.libraries:
            lines.append(f"{lib.name:>18}  {lib.version or '-':<14} {lib.purpose}")
        console.result(lines, found.to_json())

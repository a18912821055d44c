"""A checkpoint by name: from the local Hugging Face cache, else downloaded."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import EnvironmentMissingError, UsageError, first_line

WANTED = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja", "*.spm", "*.py", "*.tiktoken")
PICKLED = ("*.json", "pytorch_model*.bin", "*.model", "*.txt", "*.jinja", "*.spm", "*.py")


def download(name: str) -> Path:
    """Return the folder of the newest snapshot of ORG/NAME; safetensors where it has them.

    Raises:
        UsageError: The hub has no such model, or it is gated.
        EnvironmentMissingError: It is not in the cache and the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    try:
        folder = Path(snapshot_download(name, allow_patterns=list(WANTED)))
        if not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=list(PICKLED)))
        return folder
    except (RepositoryNotFoundError, GatedRepoError, HFValidationError) as err:
        raise UsageError(
            f"the hub does not give out {name}: {first_line(err)}",
            where=f"hf:{name}",
            fix="check the spelling; log in with `hf auth login` if it is private or gated",
        ) from err
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as err:
        raise EnvironmentMissingError(
            f"{name} is not in the local cache and the hub cannot be reached: {first_line(err)}",
            where=f"hf:{name}",
            fix="download it where there is a network and give the folder as MODEL",
        ) from err

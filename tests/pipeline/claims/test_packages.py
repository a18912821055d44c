"""What a package's runtime answered is a claim on the folder it was made of."""

import json
from dataclasses import replace

import pytest

from pipeline.artifacts import open_folder
from pipeline.claims.check import check_folder
from pipeline.claims.packages import package_claims
from pipeline.errors import FolderError
from pipeline.records.package import KEPT, Finding, PackageRecord
from tests.pipeline.tasks.folders import folder_for

FINE, OPEN = Finding("ids", True, ""), Finding("served", None, "no server")
WRONG = Finding("end marks", False, "[7] instead of [2]")


@pytest.fixture
def folder(tmp_path):
    return open_folder(folder_for("generate", tmp_path))


def claims(folder, **changes):
    export = folder.stage("export")
    record = PackageRecord(
        runtime="genai", variant="export", artifacts={"export": export.digest}, when="now",
        size_bytes=1, right=True, reason="", findings=(FINE, OPEN),
    )  # fmt: skip
    record = replace(record, **changes)
    folder.write(record.place, json.dumps(record.to_json()).encode())
    return list(package_claims(folder))


@pytest.mark.parametrize(
    ("changes", "state", "evidence"),
    [
        ({}, "kept", "1 answers right; not asked here: served"),
        ({"findings": (FINE,)}, "kept", "1 answers right"),
        ({"right": False, "findings": (FINE, WRONG)}, "broken", "end marks: [7] instead of [2]"),
        ({"findings": (FINE, WRONG)}, "broken", "end marks: [7] instead of [2]"),
        ({"right": None, "reason": "no genai", "findings": ()}, "unchecked",
         "not checked here: no genai"),
        ({"artifacts": {"export": "other"}}, "unchecked", "made again or gone since: export"),
        ({"artifacts": {"optimize.x": "1"}}, "unchecked", "made again or gone since: optimize.x"),
    ],
)  # fmt: skip
def test_a_verdict_is_a_claim(folder, changes, state, evidence):
    (claim,) = claims(folder, **changes)
    assert (claim.state, claim.evidence) == (state, evidence)
    assert claim.where == f"{KEPT}/genai.export.json"
    assert claim in check_folder(folder)


def test_without_packages_nothing_is_claimed(folder):
    assert not list(package_claims(folder))


def test_a_damaged_record_is_told(folder):
    folder.write(f"{KEPT}/genai.export.json", b"{")
    with pytest.raises(FolderError, match="damaged"):
        list(package_claims(folder))

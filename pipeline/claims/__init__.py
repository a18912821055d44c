"""What was promised, re-read from the artifacts: kept, broken, or not checkable here."""

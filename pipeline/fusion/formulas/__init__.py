"""Formulas: what elementwise code computes, so that equal formulas compare equal however spelt."""

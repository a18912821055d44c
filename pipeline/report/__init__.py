"""Report: everything that was made and measured, on one page; the only place that formats."""

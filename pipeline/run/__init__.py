"""All stages in a row: what is current is reused, what cannot run here is said in words."""

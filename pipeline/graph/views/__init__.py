"""Views: what chains of layout operators and contractions do, as maps between axes."""

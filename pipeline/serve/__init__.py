"""Artifacts behind HTTP: what OpenAI's clients ask for, and the tasks that they have no word for.

`generator` decodes texts of one model together, `batches` does the same for encoders; `models`
opens what is served, `app` answers requests, `server` listens.
"""

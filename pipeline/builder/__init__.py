"""TensorRT's builder as everything here meets it: asked in a child process, answered in words.

What a graph's inputs may be (`profiles`), what the builder would refuse (`preflight`), the child
that parses and builds (`supervise`, `worker`), and what its words mean (`diagnose`). Stages ask it;
it knows none of them.
"""

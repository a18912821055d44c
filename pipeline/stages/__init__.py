"""What makes something: export, optimize, build_engine; and the runners of what they made.

They never import each other: they meet in an artifact, through `pipeline.records`.
"""

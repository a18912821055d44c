"""Modules without a test file of their own: where their tests are, and why there.

A module belongs here when what it does can only be seen through what it is a part of. Give one a
file of its own and take its line away.
"""

COMMANDS = "tests/pipeline/cli/commands/test_commands.py"
A_ROW = "words in, one function called, its result shown: a row of one table"
CORPUS = "tests/training/zh_en/test_corpus.py"
GRAMMAR = "a rule of the grammar: the corpus's digest changes with any of its words"
FINDS = "tests/pipeline/fusion/attention/test_find.py"
A_STEP = "a step of one walk over a graph: every form found or refused goes through it"
ROUNDED = "tests/pipeline/stages/optimize/test_proof_rounded.py"
A_FORM = "a spelling of rounded weights: right and wrong ones of each go through one proof"
INFERENCE = "tests/pipeline/graph/inference/test_facts.py"
INFERS = "a step of inference, seen in the facts of whole graphs"
PRECISION = "tests/pipeline/precision/test_apply.py"
TYPES = "a step of typing, seen in the typed graph"

ELSEWHERE: dict[str, tuple[str, str]] = {
    **{
        f"pipeline/cli/commands/{name}.py": (COMMANDS, A_ROW)
        for name in (
            "build_engine", "classify", "doctor", "embed", "explain", "export", "fill_mask",
            "generate", "optimize", "pack", "parity", "perf", "report", "rerank", "run", "serve",
            "translate",
        )
    },
    "pipeline/cli/commands/package.py": (
        "tests/pipeline/package/test_stage.py", "its lines are a runtime's verdicts, made there"
    ),
    **{
        f"training/zh_en/{name}.py": (CORPUS, GRAMMAR)
        for name in (
            "clauses", "complex", "lexicon", "nouns", "patterns", "people", "predicates",
            "questions", "things", "times", "verbs",
        )
    },
    **{
        f"pipeline/fusion/linear/{name}.py": (ROUNDED, A_FORM)
        for name in ("lower_blocks", "lower_dynamic", "lower_standard", "lower_table")
    },
    "pipeline/fusion/linear/site.py": ("tests/pipeline/fusion/linear/test_find.py", A_STEP),
    **{
        f"pipeline/fusion/attention/{name}.py": (FINDS, A_STEP)
        for name in (
            "cache", "heads", "native", "operands", "pairing", "probs", "roles", "scores", "site",
            "steps",
        )
    },
    "pipeline/fusion/attention/lower_parts.py": (
        "tests/pipeline/fusion/attention/test_lower_standard.py", "what the lowerings share"
    ),
    "pipeline/fusion/attention/lower_sink.py": (
        "tests/pipeline/fusion/attention/test_lower_standard.py", "one input of the lowerings"
    ),
    "pipeline/fusion/lowering.py": (
        "tests/pipeline/fusion/test_plan.py", "the interface that all lowerings have"
    ),
    "pipeline/fusion/norm/site.py": ("tests/pipeline/fusion/norm/test_find.py", A_STEP),
    "pipeline/fusion/norm/steps.py": ("tests/pipeline/fusion/norm/test_find.py", A_STEP),
    "pipeline/fusion/rotary/columns.py": ("tests/pipeline/fusion/rotary/test_match.py", A_STEP),
    "pipeline/fusion/ort/packed_attention/find.py": (
        "tests/pipeline/fusion/ort/packed_attention/test_lower.py", "found to be lowered at once"
    ),
    "pipeline/fusion/ort/rotary_attention/find.py": (
        "tests/pipeline/fusion/ort/rotary_attention/test_lower.py", "found to be lowered at once"
    ),
    "pipeline/graph/files/weights.py": (
        "tests/pipeline/graph/files/test_model_file.py", "weights are seen in files that are saved"
    ),
    **{
        f"pipeline/graph/inference/{name}.py": (INFERENCE, INFERS)
        for name in ("call", "consts", "declared", "evaluate", "info", "unify")
    },
    "pipeline/graph/module_path.py": ("tests/pipeline/fusion/test_site.py", "names sites"),
    "pipeline/graph/normalise/draft.py": (
        "tests/pipeline/graph/normalise/test_passes.py", "what all passes write into"
    ),
    "pipeline/graph/normalise/contrib/operator.py": (
        "tests/pipeline/graph/normalise/contrib", "what all operators written out share"
    ),
    "pipeline/graph/rewriting/emit.py": (
        "tests/pipeline/graph/test_emit_facts.py", "nodes that are made, with what is known of them"
    ),
    "pipeline/graph/rewriting/regions.py": (
        "tests/pipeline/stages/optimize/test_proof.py", "a region is cut to be proven"
    ),
    "pipeline/judge/op.py": (
        "tests/pipeline/judge/test_interpreter.py", "the interface that all operators have"
    ),
    "pipeline/judge/table.py": (
        "tests/pipeline/judge/test_fallback.py", "which operators there are, and which are not"
    ),
    **{
        f"pipeline/precision/{name}.py": (PRECISION, TYPES)
        for name in (
            "assign", "constraints", "empty_rows", "masks", "policy", "ranges", "report", "retype",
            "values",
        )
    },
}  # fmt: skip

"""What each stage says of its result, as frozen dataclasses with a JSON form and a format number.

Stages meet in an artifact, and an artifact's facts are read as one of these records:

    export    one way into the house: what the graphs are called, take, give and came from
    optimize  sites with proofs or refusals, session settings, types
    engine    plans: targets, profiles, attention kernels
    parity    verdicts, errors, generations, where a failure began
    perf      latencies, ratios, rooflines
    bundle    what `pack` writes and what a bundle brings back
    run, report, machine   what whole runs, pages and computers are described by

Import them from their modules: a stage whose record is unchanged is then not made again because
another stage's record grew.
"""

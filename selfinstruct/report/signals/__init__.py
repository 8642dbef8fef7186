"""Everything that a run reports to the outside: JSON lines, progress, metrics, and a final notification.

One module per signal; `reporting` starts and ends them around a run. A failing signal never ends a run or changes its
results, and no signal contains a prompt, an answer, or a key.
"""

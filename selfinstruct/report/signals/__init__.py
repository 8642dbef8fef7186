"""What a run tells the world: JSON lines, a file of metrics, traces, and a summary posted at its end.

A file a signal; `selfinstruct.job` puts them around a run. None of them ends a run or changes what it does, and none
carries a prompt, an answer or a key.
"""

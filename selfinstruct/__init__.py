"""From a seed file to an instruction dataset: Self-Instruct and Alpaca, resumable, budgeted, exact.

import selfinstruct as si

run = si.run(si.RunConfig.load("configs/openai.yaml", target=500))
dataset = si.to_dataset(run)
"""

import lazy_loader

# The public names are those that `__init__.pyi` imports; each is imported when it is first used, so that
# `selfinstruct --help` stays instant.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

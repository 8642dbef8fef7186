"""data-designer, as its guide has it: a provider and a model of one's own, a seed table and one column of model text.

Telemetry, metrics and the check of the model beforehand are switched off. One thing is stubbed so that it runs without
the network: the tokenizer `cl100k_base`, which it downloads to describe the finished column (here: one token a text).
"""

from __future__ import annotations

import os

os.environ["NEMO_TELEMETRY_ENABLED"] = "false"

import data_designer.config as dd
import pandas as pd
import tiktoken
from data_designer.interface import DataDesigner
from loop_task import Task, measure


class OneToken:
    """Stands in for a tokenizer."""

    def encode(self, text: str, **options: object) -> list[int]:
        """One number."""
        return [0]


def _ask(task: Task) -> None:
    tiktoken.get_encoding = lambda name: OneToken()
    provider = dd.ModelProvider(name="loop", endpoint=task.base_url, provider_type="openai", api_key="none")
    model = dd.ModelConfig(
        alias="teacher",
        model="fake",
        provider="loop",
        inference_parameters=dd.ChatCompletionInferenceParams(max_parallel_requests=task.in_flight),
        skip_health_check=True,
    )
    builder = dd.DataDesignerConfigBuilder(model_configs=[model])
    builder.with_seed_dataset(dd.DataFrameSeedSource(df=pd.DataFrame({"question": task.texts})))
    builder.add_column(dd.LLMTextColumnConfig(name="answer", prompt="{{ question }}", model_alias="teacher"))
    designer = DataDesigner(artifact_path=task.folder, model_providers=[provider])
    designer.set_run_config(dd.RunConfig(otel_metrics_port=None))
    made = designer.create(builder, num_records=len(task.questions)).load_dataset()
    answered = int(made["answer"].astype(bool).sum())
    assert answered == len(task.questions), f"{answered} of {len(task.questions)} rows have an answer"


if __name__ == "__main__":
    measure(_ask)

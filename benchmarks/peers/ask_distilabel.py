"""distilabel, as its guide has it: a pipeline that loads rows and hands them to TextGeneration with an OpenAILLM.

The questions in flight together are those of one batch, which is the size that is given.
"""

from __future__ import annotations

from distilabel.models import OpenAILLM
from distilabel.pipeline import Pipeline
from distilabel.steps import LoadDataFromDicts
from distilabel.steps.tasks import TextGeneration
from loop_task import Task, measure


def _ask(task: Task) -> None:
    rows = [{"instruction": text} for text in task.texts]
    with Pipeline(name="loop", cache_dir=str(task.folder)) as pipeline:
        load = LoadDataFromDicts(data=rows, batch_size=task.in_flight)
        llm = OpenAILLM(model="fake", base_url=task.base_url, api_key="none")
        load >> TextGeneration(llm=llm, input_batch_size=task.in_flight)
    made = pipeline.run(use_cache=False)["default"]["train"]
    answered = sum(1 for row in made if row["generation"])
    assert answered == len(rows), f"{answered} of {len(rows)} rows have an answer"


if __name__ == "__main__":
    measure(_ask)

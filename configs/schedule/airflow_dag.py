"""The job as an Airflow DAG (Airflow 3 with apache-airflow-providers-standard): copy it into the DAGs folder.

The key is the password of the connection `openai`, so Airflow masks it. The variable `selfinstruct_home` is the
folder of the project, /srv/selfinstruct by default.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

HOME = "{{ var.value.get('selfinstruct_home', '/srv/selfinstruct') }}"

with DAG(
    dag_id="selfinstruct",
    description="Grow the instruction dataset every night",
    schedule="15 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
) as dag:
    BashOperator(
        task_id="generate",
        cwd=HOME,
        bash_command=(
            "exec .venv/bin/selfinstruct generate configs/openai.yaml"
            " --skip-code --max-runtime 2h --log-format json --metrics-file run.prom"
        ),
        env={"OPENAI_API_KEY": "{{ conn.openai.password }}"},
        append_env=True,
        skip_on_exit_code=99,  # nothing to do: the target was already met
        # 3 ended early and 4 locked are worth another try tonight; 2 and 5 fail again at once, at no cost.
        retries=2,
        retry_delay=timedelta(minutes=15),
        execution_timeout=timedelta(hours=2, minutes=30),
    )

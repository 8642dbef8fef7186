"""The command `push`: uploads a dataset to the Hugging Face hub after a confirmation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, find_run, plain_errors, say, table

if TYPE_CHECKING:
    from ..dataset import Upload


def push(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="RUN_OR_FOLDER",
            help="A run's folder, its configuration, or a dataset folder.",
            callback=find_run,
            show_default=False,
        ),
    ],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The dataset on the hub.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="Publish the dataset; default: private.")] = False,
    create_pr: Annotated[
        bool, typer.Option("--create-pr", help="Open a pull request instead of writing to the branch.")
    ] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="The branch, created if missing; default: main.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Upload without confirmation.")] = False,
    debug: Debug = False,
) -> None:
    """Upload a dataset to the Hugging Face hub.

    Lists the files, asks for confirmation, and prints the dataset's address.
    """
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..dataset import plan_upload, push_to_hub

        # Show the plan: nothing is sent to the hub before the confirmation.
        upload = plan_upload(source, repo, public=public, create_pr=create_pr, revision=revision)
        _print_plan(upload)

        # Confirm. A script can't answer, so it must pass --yes.
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("push: nothing was uploaded, because there is no terminal to confirm on; add --yes")
            if not typer.confirm("upload?", err=True):
                say("nothing was uploaded")
                raise typer.Exit(3)

        print(push_to_hub(upload))


def _print_plan(upload: Upload) -> None:
    where = f"branch {upload.revision or 'main'}" if not upload.create_pr else "a pull request"
    rows = {"from": str(upload.folder), "to": f"{upload.repo}, {where}"}
    rows["visible"] = "to everyone" if upload.public else "to you and your organization (a new dataset is private)"
    rows["files"] = f"{len(upload.files):,}, {upload.bytes:,} bytes"
    table(rows | {f"  {name}": f"{size:,}" for name, size in upload.files})

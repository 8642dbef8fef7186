"""The command `push`: a dataset's folder to the hub, private unless said otherwise, after a yes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .console import Debug, plain_errors, printable, say, table

if TYPE_CHECKING:
    from ..dataset import Upload


def push(
    source: Annotated[
        Path, typer.Argument(metavar="RUN_OR_FOLDER", help="A run's folder, or a dataset's.", show_default=False)
    ],
    repo: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The dataset on the hub.", show_default=False)],
    public: Annotated[bool, typer.Option("--public", help="Everybody may see it; private otherwise.")] = False,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="As a pull request, not onto the branch.")] = False,
    revision: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="The branch, made if it isn't there; main otherwise.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Upload without asking.")] = False,
    debug: Debug = False,
) -> None:
    """Upload a dataset to the Hugging Face hub; print what is uploaded, ask, and print its address."""
    with plain_errors(debug):
        from ..core.errors import UsageError
        from ..dataset import plan_upload, push_to_hub

        upload = plan_upload(source, repo, public=public, create_pr=create_pr, revision=revision)
        _show(upload)
        if not yes:
            if not sys.stdin.isatty():
                raise UsageError("nothing was uploaded; add --yes where nobody can be asked")
            if not typer.confirm("upload?", err=True):
                say("nothing was uploaded")
                raise typer.Exit(3)
        print(printable(push_to_hub(upload)))


def _show(upload: Upload) -> None:
    where = f"branch {upload.revision or 'main'}" if not upload.create_pr else "a pull request"
    rows = {"from": str(upload.folder), "to": f"{upload.repo}, {where}"}
    rows["visible"] = "to everybody" if upload.public else "to you and your organisation (a new dataset is private)"
    rows["files"] = f"{len(upload.files):,}, {upload.bytes:,} bytes"
    table(rows | {f"  {name}": f"{size:,}" for name, size in upload.files})

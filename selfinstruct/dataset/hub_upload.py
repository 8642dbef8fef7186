"""A dataset's folder up to the hub: planned first, so that it can be shown, and sent only by `push_to_hub`.

Private unless said otherwise, also where the dataset is there already: to what is public on the hub only those add who
say that it is meant to be. The token is the one that `hf auth login` keeps or HF_TOKEN holds; it is looked at here only
to see that there is one.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ..core.errors import SelfInstructError, StorageError, UsageError
from ..journal.folder import JOURNAL

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_DATA = (".parquet", ".jsonl")


@dataclass(frozen=True, slots=True)
class Upload:
    """What would be sent: a folder's card and data, as paths in the repository with their bytes."""

    folder: Path
    repo: str
    files: tuple[tuple[str, int], ...]
    public: bool = False
    create_pr: bool = False
    revision: str | None = None

    @property
    def bytes(self) -> int:
        """Of all files together."""
        return sum(size for _, size in self.files)


def plan_upload(
    source: Path, repo: str, *, public: bool = False, create_pr: bool = False, revision: str | None = None
) -> Upload:
    """Find out what an upload would send. Asks the network nothing.

    source: a run's folder, or a dataset's. repo: 'owner/name'.
    Raises UsageError: a name the hub can't have, no dataset there, a pull request against a branch.
    """
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo}: not the name of a dataset on the hub; it has the form owner/name")
    if create_pr and revision not in (None, "main"):
        raise UsageError("--create-pr: a pull request is made against main; leave --revision out")
    folder = source / "dataset" if (source / JOURNAL).exists() else source
    if not (folder / "README.md").is_file():
        raise UsageError(f"{source}: neither a run that has its dataset nor a dataset's folder (no README.md in it)")
    data = sorted(p for p in folder.glob("*/*") if p.suffix in _DATA)
    if not data:
        raise UsageError(f"{folder}: holds no data files; `selfinstruct export` writes them")
    found = [folder / "README.md", *data]
    files = tuple((path.relative_to(folder).as_posix(), path.stat().st_size) for path in found)
    return Upload(folder, repo, files, public, create_pr, revision)


def push_to_hub(upload: Upload) -> str:
    """Send it in one commit; the address of the commit, or of the pull request.

    Data files of the same configs that the repository holds and the folder doesn't are removed in that commit, so that
    no shard of an older export stays among the new ones. Raises UsageError: offline mode, no token, one that may not, a
    public dataset that wasn't said to be; StorageError: the hub can't be reached or fails.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE is set: nothing is uploaded; unset it to push")
    if huggingface_hub.get_token() is None:
        raise UsageError("no token for the hub; log in with `hf auth login`, or set HF_TOKEN")
    api = huggingface_hub.HfApi(library_name="selfinstruct")
    with _plain_errors(upload.repo):
        _make_repo(api, upload)
        done = api.upload_folder(
            repo_id=upload.repo,
            folder_path=upload.folder,
            repo_type="dataset",
            commit_message="Upload the dataset with selfinstruct",
            revision=upload.revision,
            create_pr=upload.create_pr,
            allow_patterns=[name for name, _ in upload.files],
            delete_patterns=sorted({f"{os.path.dirname(name)}/*" for name, _ in upload.files if "/" in name}),
        )
    return str(done.pr_url or done.commit_url)


def _make_repo(api: HfApi, upload: Upload) -> None:
    """Make the repository if there is none; UsageError where one is public that isn't meant to be."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        there = api.dataset_info(upload.repo)
    except RepositoryNotFoundError:
        api.create_repo(upload.repo, repo_type="dataset", private=not upload.public)
    else:
        if not there.private and not upload.public:
            raise UsageError(f"{upload.repo}: is there already, and public; add --public if everybody may see this")
    if upload.revision is not None and upload.revision != "main":
        api.create_branch(upload.repo, repo_type="dataset", branch=upload.revision, exist_ok=True)


@contextmanager
def _plain_errors(repo: str) -> Iterator[None]:
    """The hub's errors as one line; what may pass (no network, a sick server) is a StorageError."""
    from huggingface_hub.errors import HfHubHTTPError

    # the root of the errors of whichever HTTP client this version of the package has (httpx, httpx2)
    of_the_client = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        yield
    except SelfInstructError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        said = f"the hub answers {status}: {_one_line(error.server_message or str(error))}"
        if status in (401, 403):
            raise UsageError(f"{repo}: {said}; log in (`hf auth login`) with a token that may write there") from None
        if 400 <= status < 500 and status not in (408, 429):
            raise UsageError(f"{repo}: {said}") from None
        raise StorageError(f"{repo}: {said}; the same command can be given again") from None
    except (of_the_client, OSError) as error:
        raise StorageError(
            f"{repo}: the hub can't be reached ({_one_line(str(error))}); the same command can be given again"
        ) from None
    except ValueError as error:  # the card isn't valid, or an answer isn't what the client expects
        raise UsageError(f"{repo}: {_one_line(str(error))}") from None


def _one_line(text: str) -> str:
    """Without line ends, at most 300 characters, and without anything that looks like a token."""
    return re.sub(r"hf_\w+", "hf_...", " ".join(text.split()))[:300]

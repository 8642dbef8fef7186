"""Upload a dataset's folder to the Hugging Face hub; for the command `push`.

`plan_upload` returns what would be sent, without any request, and `push_to_hub` sends it. A new dataset is private by
default, and an upload to an existing public dataset needs `public`. The token comes from `hf auth login` or HF_TOKEN;
this module only checks that there is one.
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
from ..core.network import check_network
from ..journal.folder import JOURNAL

if TYPE_CHECKING:
    from huggingface_hub import HfApi

# 'owner/name', as the hub allows it.
_REPO = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}", re.ASCII)
_DATA = (".parquet", ".jsonl")


@dataclass(frozen=True, slots=True)
class Upload:
    """A planned upload of a folder's card and data. files: path in the repository and size in bytes of each file."""

    folder: Path
    repo: str
    files: tuple[tuple[str, int], ...]
    public: bool = False
    create_pr: bool = False
    revision: str | None = None

    @property
    def bytes(self) -> int:
        """Total size of all files."""
        return sum(size for _, size in self.files)


def plan_upload(
    source: Path, repo: str, *, public: bool = False, create_pr: bool = False, revision: str | None = None
) -> Upload:
    """Plan an upload, without any requests.

    Args:
        source: Folder of a run or of a dataset.
        repo: 'owner/name'.
        public: Whether a new dataset is public, and whether an existing one may be.
        create_pr: Whether to open a pull request instead of a commit.
        revision: Branch to commit to; by default 'main'.

    Raises:
        UsageError: The name is invalid, there is no dataset, or a pull request names another branch.
    """
    if not _REPO.fullmatch(repo):
        raise UsageError(f"{repo}: not the name of a dataset on the hub; use the form owner/name")
    if create_pr and revision not in (None, "main"):
        raise UsageError("--create-pr: a pull request is always against main; remove --revision")
    folder = source / "dataset" if (source / JOURNAL).exists() else source
    if not (folder / "README.md").is_file():
        raise UsageError(
            f"{source}: neither a run with a dataset nor a dataset (no README.md); run `selfinstruct export`"
        )
    data = sorted(p for p in folder.glob("*/*") if p.suffix in _DATA)
    if not data:
        raise UsageError(f"{folder}: contains no data files; `selfinstruct export` writes them")
    paths = [folder / "README.md", *data]
    files = tuple((path.relative_to(folder).as_posix(), path.stat().st_size) for path in paths)
    return Upload(folder, repo, files, public, create_pr, revision)


def push_to_hub(upload: Upload) -> str:
    """Send an upload in one commit, and return the address of the commit or of the pull request.

    Raises:
        UsageError: The hub is in offline mode, the environment names an unusable proxy or unusable certificates,
            there is no valid token, or the dataset is public without `public`.
        StorageError: The hub can't be reached, or fails.
    """
    import huggingface_hub
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UsageError("HF_HUB_OFFLINE is set: nothing is uploaded; unset it to push")
    if huggingface_hub.get_token() is None:
        raise UsageError("the hub needs a token: there is none; log in with `hf auth login`, or set HF_TOKEN")
    check_network(constants.ENDPOINT)
    api = huggingface_hub.HfApi(library_name="selfinstruct")
    with _convert_errors(upload.repo):
        _ensure_repo(api, upload)
        # In the same commit, delete data files that the folder doesn't have: an old export may have had more shards.
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


def _ensure_repo(api: HfApi, upload: Upload) -> None:
    """Create the repository and the branch if necessary. Raises UsageError if the repository is unexpectedly public."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        existing = api.dataset_info(upload.repo)
    except RepositoryNotFoundError:
        api.create_repo(upload.repo, repo_type="dataset", private=not upload.public)
    else:
        if not existing.private and not upload.public:
            raise UsageError(f"{upload.repo}: exists already, and is public; add --public if everybody may see this")
    if upload.revision is not None and upload.revision != "main":
        api.create_branch(upload.repo, repo_type="dataset", branch=upload.revision, exist_ok=True)


@contextmanager
def _convert_errors(repo: str) -> Iterator[None]:
    """Convert errors of the hub: temporary ones (no network, a failing server) become StorageError."""
    from huggingface_hub.errors import HfHubHTTPError

    # Depending on the version of huggingface_hub, the HTTP client is requests or httpx; this is its base exception.
    client_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    try:
        yield
    except SelfInstructError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else 0
        problem = f"the hub answers {status}: {_shorten(error.server_message or str(error))}"
        if status in (401, 403):
            raise UsageError(f"{repo}: {problem}; log in (`hf auth login`) with a token that may write") from None
        # Of the client errors, only a timeout and a rate limit are temporary.
        if 400 <= status < 500 and status not in (408, 429):
            raise UsageError(f"{repo}: {problem}") from None
        raise StorageError(f"{repo}: {problem}; run the same command again later") from None
    except (client_error, OSError) as error:
        problem = f"the hub can't be reached ({_shorten(str(error))})"
        raise StorageError(f"{repo}: {problem}; run the same command again later") from None
    except ValueError as error:  # an invalid card, or an unexpected response
        raise UsageError(f"{repo}: {_shorten(str(error))}") from None


def _shorten(text: str) -> str:
    """Return the text on one line of at most 300 characters, without anything that looks like a token."""
    return re.sub(r"hf_\w+", "hf_...", " ".join(text.split()))[:300]

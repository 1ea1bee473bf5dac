"""Which commit a rolling upgrade is tried from."""

import subprocess
from pathlib import Path

import pytest
from earlier_code import check_out, commit_before_newest_schema


class Repository:
    """A repository of three commits: init.sql, then its change, then something else."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        self.first = self.commit("init.sql", "first")
        self.second = self.commit("init.sql", "second")

    def git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
        asked = ["git", *identity, *arguments]
        return subprocess.run(asked, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text)
        self.git("add", name)
        self.git("commit", "-q", "-m", text)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def test_it_is_the_commit_before_head_where_head_changed_the_schema(repository: Repository) -> None:
    assert commit_before_newest_schema(repository.folder) == repository.first


def test_commits_that_leave_the_schema_alone_do_not_count(repository: Repository) -> None:
    repository.commit("other.txt", "third")
    assert commit_before_newest_schema(repository.folder) == repository.first


def test_a_merge_that_brings_a_change_is_one_change(repository: Repository) -> None:
    repository.git("checkout", "-q", "-b", "side")
    repository.commit("init.sql", "on the side")
    repository.commit("init.sql", "on the side again")
    repository.git("checkout", "-q", "main")
    before = repository.commit("other.txt", "on main")
    repository.git("merge", "-q", "--no-ff", "--no-edit", "side")
    assert commit_before_newest_schema(repository.folder) == before


@pytest.mark.parametrize("staged", [False, True])
def test_it_is_head_where_the_change_is_not_committed(repository: Repository, staged: bool) -> None:
    (repository.folder / "init.sql").write_text("not committed")
    if staged:
        repository.git("add", "init.sql")
    assert commit_before_newest_schema(repository.folder) == repository.second


def test_a_clone_without_its_history_is_told_what_to_do(repository: Repository, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.folder}", str(shallow))
    with pytest.raises(LookupError, match="git fetch --unshallow"):
        commit_before_newest_schema(shallow)


def test_a_folder_that_is_no_repository_is_told(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match=r"not a git repository.*whole clone"):
        commit_before_newest_schema(tmp_path)


def test_the_files_are_those_of_the_commit(repository: Repository, tmp_path: Path) -> None:
    folder = check_out(repository.first, tmp_path / "checkout", repository.folder)
    assert (folder / "init.sql").read_text() == "first"

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent_pod.user_space import run_folder


def test_only_the_folders_of_pods_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    mine = run_folder.make()
    gone = subprocess.run(
        [sys.executable, "-c", "from agent_pod.user_space import run_folder; print(run_folder.make())"],
        env={"TMPDIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    (Path(gone) / "left.txt").write_text("by a killed pod")
    other = tmp_path / "fleet-run-elsewhere"
    other.mkdir()
    run_folder.remove_left_behind()
    assert (mine.exists(), Path(gone).exists(), other.exists()) == (True, False, True)

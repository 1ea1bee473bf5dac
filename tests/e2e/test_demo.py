"""`fleet demo` runs the example process with the offline model, on anybody's documents."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest


def demo(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [sys.executable, "-m", "fleet", "demo", *arguments],
        check=False, cwd=cwd, text=True, capture_output=True, timeout=240, env={**environment, "COLUMNS": "160"},
    )  # fmt: skip


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    (folder / "returns.md").write_text("# Returns\n\nA parcel may be returned within thirty days of delivery.\n")
    (folder / "deep" / "hours.txt").write_text("The office is open from nine to five on working days.\n")
    (folder / "fees.html").write_text("<h1>Fees</h1><p>Returning a parcel costs four euros.</p>")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    (folder / ".hidden.md").write_text("secret")
    return folder


def test_it_answers_from_the_documents_and_says_where(documents: Path, tmp_path: Path) -> None:
    done = demo("--docs", str(documents), "--ask", "Within how many days may a parcel be returned?", cwd=tmp_path)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 requests, 4 documents" in text and "not loaded:" in text and "broken.pdf" in text
    assert "within thirty days of delivery" in text and "source: Returns" in text
    assert "Draft an answer drafted" in text and "Save the answer done" in text and "USD 0.0000" in text
    assert re.search(r"^demo: 1 of 1 processes COMPLETED in \d+ s$", done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--docs", "nowhere", "--ask", "x"], "nowhere is no folder"),
        (["--docs", ".", "--ask", "x"], "holds no Markdown, text, HTML, PDF or DOCX file"),
        (["--docs", "."], "say what to ask"),
    ],
)
def test_wrong_arguments_are_told_with_a_remedy(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    done = demo(*arguments, cwd=tmp_path)
    assert done.returncode == 1 and complaint in " ".join(done.stderr.split())

"""`fleet check`: what can be run, and of the rest everything that is wrong."""

from pathlib import Path

from typer.testing import CliRunner

from execution_api.examples.files import BPMN, DMN
from fleet.main import app


def test_files_and_folders_are_checked_and_every_problem_is_told(tmp_path: Path) -> None:
    (tmp_path / "good.bpmn").write_text(BPMN)
    (tmp_path / "rules.dmn").write_text(DMN)
    (tmp_path / "notes.txt").write_text("no model")
    good = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert (good.exit_code, good.output.splitlines()[-1]) == (0, "2 can be run, 0 refused")
    (tmp_path / "bad.bpmn").write_text(BPMN.replace("userTask", "complexGateway"))
    bad = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert (bad.exit_code, bad.output.splitlines()[-1]) == (1, "2 can be run, 1 refused")
    assert "complexGateway 'decide' (line 7) is not supported yet by this version" in bad.output


def test_each_process_of_a_file_can_be_checked_executable_or_not(tmp_path: Path) -> None:
    file = tmp_path / "drawn.bpmn"
    file.write_text(BPMN.replace('isExecutable="true"', 'isExecutable="false"'))
    assert "is not executable" in CliRunner().invoke(app, ["check", str(file)]).output
    every = CliRunner().invoke(app, ["check", "--every-process", str(file)])
    assert (every.exit_code, every.output.splitlines()[-1]) == (0, "1 can be run, 0 refused")

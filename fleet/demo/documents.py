"""Finds and loads the demo's documents."""

from pathlib import Path

from rich.progress import track

from fleet.api_client import ApiClient, ApiRefused
from fleet.console import out
from fleet.packaged import own_documents
from kernel.errors import SettingsInvalid

_KINDS = {".md", ".markdown", ".txt", ".html", ".htm", ".pdf", ".docx"}
_PASSED_OVER = {"node_modules", "__pycache__"}


def find_documents(folder: Path | None) -> dict[str, Path]:
    """Readable files below `folder` by their path in it, or this project's own documents.

    Raises SettingsInvalid where there are none.
    """
    if folder is None:
        found = own_documents()
    elif not folder.is_dir():
        raise SettingsInvalid(f"--docs: {folder} is no folder. Name a folder that holds documents.")
    else:
        paths = sorted(path for path in folder.rglob("*") if _is_document(path.relative_to(folder), path))
        found = {str(path.relative_to(folder)): path for path in paths}
    if not found:
        where = folder or "this installation"
        raise SettingsInvalid(
            f"--docs: {where} holds no Markdown, text, HTML, PDF or DOCX file. Name a folder with --docs."
        )
    return found


def load(api: ApiClient, files: dict[str, Path]) -> list[str]:
    """Upload the files; returns a line for each that could not be read."""
    skipped: list[str] = []
    for name, path in track(files.items(), "loading documents", console=out, transient=True):
        try:
            api.upload(name, path.read_bytes())
        except ApiRefused as refusal:
            skipped.append(f"{path}: {refusal}")
    return skipped


def _is_document(relative: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") or part in _PASSED_OVER for part in relative.parts)
    return path.suffix.lower() in _KINDS and path.is_file() and not hidden

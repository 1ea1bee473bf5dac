"""Files that come with the command line: from the installed package or from the checkout."""

from pathlib import Path

from kernel.errors import SettingsInvalid

_HERE = Path(__file__).resolve().parent
_CHECKOUT = _HERE.parent


def example(name: str) -> Path:
    """The folder of an example process. Raises SettingsInvalid where this installation has none."""
    for folder in (_HERE / "examples" / name, _CHECKOUT / "examples" / name):
        if folder.is_dir():
            return folder
    raise SettingsInvalid(f"example {name!r} is not in this installation: install process-fleet again")


def own_documents() -> dict[str, Path]:
    """This project's own documents by their path in it; empty where it was installed without them."""
    if not (_CHECKOUT / "init.sql").is_file():
        return {}
    found = [path for path in _CHECKOUT.glob("*.md") if path.name != "README.ko.md"]
    found += (_CHECKOUT / "docs").glob("**/*.md")
    found += (path for place in ("orchestrators", "examples") for path in (_CHECKOUT / place).glob("**/README.md"))
    return {str(path.relative_to(_CHECKOUT)): path for path in sorted(found)}

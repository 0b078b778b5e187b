"""Load this folder as a package of its own name, so that it hides no module of the tests."""

import importlib
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

NAME = "honed_characterise"


def main() -> None:
    """Answer what is asked."""
    folder = Path(__file__).resolve().parent
    sys.path[:] = [path for path in sys.path if Path(path or ".").resolve() != folder]
    spec = spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None:
        raise SystemExit(1)
    sys.modules[NAME] = module_from_spec(spec)
    importlib.import_module(f"{NAME}.observe").main()


if __name__ == "__main__":
    main()

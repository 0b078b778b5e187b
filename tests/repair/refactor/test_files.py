"""What is read of a folder is a repository's own, all of it or nothing."""

from pathlib import Path

from honed.repair.refactor.files import read_package


def laid(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return folder


def test_sources_are_read_to_the_byte_and_what_others_wrote_is_not(tmp_path: Path) -> None:
    folder = laid(
        tmp_path,
        {
            "shop/cart.py": b"def total():\r\n    return 1\r\n",
            "pyproject.toml": b'[project.scripts]\nshop = "shop.cart:main_entry"\n',
            "shop/picture.png": b"hidden_word",
            "node_modules/lib/setup.py": b"x = 1\n",
            ".hidden/a.py": b"x = 1\n",
            "env/pyvenv.cfg": b"",
            "env/lib/b.py": b"x = 1\n",
        },
    )
    (folder / "shop/link.py").symlink_to(folder / "shop/cart.py")
    package = read_package(folder)
    assert package is not None
    assert package.files == {"shop/cart.py": "def total():\r\n    return 1\r\n"}
    assert {"main_entry", "shop"} <= package.mentioned
    assert "hidden_word" not in package.mentioned


def test_who_cannot_see_all_files_says_nothing(tmp_path: Path) -> None:
    folder = laid(tmp_path, {"a.py": b"x = 1\n", "b.py": b"# \xff\n"})
    assert read_package(folder) is None
    laid(tmp_path, {"b.py": b"#" * 1_000_001})
    assert read_package(folder) is None

"""What a change carries along: a line of the changelog, news, requirements and defaults."""

import pytest

from honed.core.change import CodeChange, FileChange, Purpose
from honed.targets.repository.git.clone import Clone
from honed.targets.repository.publishing.packing import pack, patch_digest, unpack
from honed.targets.repository.publishing.papers.docstrings import with_true_defaults
from honed.targets.repository.publishing.papers.fragments import fragment
from honed.targets.repository.publishing.papers.papers import with_papers
from honed.targets.repository.publishing.papers.quotes import is_document, with_requirement
from honed.testing.repositories import Checkout

CODE = "def total(prices):\n    return sum(prices[1:])\n"
LOG = "# Changes\n\n## Unreleased\n\n- One.\n\n## 1.0\n\n- Zero.\n"
PROJECT = '[project]\nname = "shop"\ndependencies = ["httpx>=0.27"]\n'
TOWNCRIER = '[tool.towncrier]\ndirectory = "changes"\n'


def commit(checkout: Checkout, clone: Clone, **files: str) -> str:
    """Commit files, whose names have ``__`` for a slash and ``_`` for a dot."""
    named = {name.replace("__", "/").replace("_", "."): text for name, text in files.items()}
    made = checkout.commit({name: text.encode() for name, text in named.items()})
    clone.fetch()
    return made


def repair(base: str, purpose: Purpose = Purpose.REPAIR, made_by: str = "it: rule") -> CodeChange:
    files = (
        FileChange("shop/prices.py", CODE, CODE.replace("[1:]", "")),
        FileChange("tests/test_new.py", None, "def test():\n    assert True\n"),
    )
    words = "KeyError: 'secret of Mr. Example'"
    return CodeChange(base, files, message=words, purpose=purpose, made_by=made_by)


def lines(change: CodeChange) -> list[str]:
    """Return the lines that its papers add."""
    new = "".join(each.diff for each in change.papers).splitlines()
    return [line[1:] for line in new if line[0] == "+" and not line.startswith("+++")]


@pytest.mark.parametrize(
    ("purpose", "made_by", "said"),
    [
        (Purpose.REPAIR, "it: rule", ["- Repair `total` in `shop/prices.py`."]),
        (Purpose.OPTIMIZE, "it: rule", ["- Make `total` in `shop/prices.py` faster."]),
        (
            Purpose.REPAIR,
            "revert_commit: 0123456789ab",
            ["- Repair `total` in `shop/prices.py` by undoing commit 0123456789ab."],
        ),
        (Purpose.REFACTOR, "it: rule", []),
        (Purpose.TEST, "it: rule", []),
    ],
)
def test_a_changelog_gets_a_line_of_what_is_news(
    checkout: Checkout, clone: Clone, purpose: Purpose, made_by: str, said: list[str]
) -> None:
    base = commit(checkout, clone, shop__prices_py=CODE, CHANGES_md=LOG)
    change = repair(base, purpose, made_by)
    told = with_papers(change, clone)
    assert lines(told) == said
    assert told.files == change.files
    assert with_papers(told, clone) == told
    assert unpack(pack(told), clone) == told
    assert CodeChange.from_json(told.to_json()) == told
    assert patch_digest(told) == patch_digest(change), "the same lines of code, beside any papers"


def test_a_changelog_that_the_change_touches_itself_is_left_to_it(
    checkout: Checkout, clone: Clone
) -> None:
    base = commit(checkout, clone, shop__prices_py=CODE, CHANGES_md=LOG)
    change = repair(base)
    more = (*change.files, FileChange("CHANGES.md", LOG, LOG.replace("- One.\n", "")))
    own = CodeChange(base, more)
    assert with_papers(own, clone) == own


def test_nothing_is_written_behind_a_link_nor_where_nothing_is_kept(
    checkout: Checkout, clone: Clone
) -> None:
    (checkout.folder / "CHANGES.md").symlink_to("docs/changes.md")
    released = LOG.replace("Unreleased", "1.1")
    base = commit(checkout, clone, shop__prices_py=CODE, HISTORY_md=released)
    assert with_papers(repair(base), clone) == repair(base)
    base = commit(checkout, clone, docs__changes_md=LOG)
    assert [each.path for each in with_papers(repair(base), clone).papers] == ["docs/changes.md"]


def test_a_raised_requirement_is_raised_where_documents_spell_it(
    checkout: Checkout, clone: Clone
) -> None:
    read_me = "Needs httpx>=0.27.\n\n```\npip install 'httpx>=0.27' 'httpx>=0.27.1'\n```\n"
    base = commit(
        checkout, clone, pyproject_toml=PROJECT, README_md=read_me, CHANGES_md=f"{LOG}{read_me}"
    )
    new = PROJECT.replace("0.27", "0.28")
    change = CodeChange(
        base, (FileChange("pyproject.toml", PROJECT, new),), purpose=Purpose.UPGRADE
    )
    assert lines(with_papers(change, clone)) == [
        "- Require `httpx>=0.28` instead of `httpx>=0.27`.",
        "pip install 'httpx>=0.28' 'httpx>=0.27.1'",
    ]


def test_who_keeps_fragments_of_news_gets_one(checkout: Checkout, clone: Clone) -> None:
    base = commit(
        checkout, clone, shop__prices_py=CODE, CHANGES_md=LOG, pyproject_toml=TOWNCRIER,
        changes__README_md="What goes here.\n", changes__12_feature_rst="A basket.\n",
    )  # fmt: skip
    (paper,) = with_papers(repair(base), clone).papers
    name = f"changes/+honed-{patch_digest(repair(base))[:8]}.bugfix.rst"
    assert (paper.path, paper.before) == (name, None)
    assert paper.after == "Repair ``total`` in ``shop/prices.py``.\n"


@pytest.mark.parametrize(
    ("settings", "there", "path"),
    [
        (TOWNCRIER, "changes/.gitignore", "changes/+x.bugfix.rst"),
        (f'{TOWNCRIER}filename = "NEWS.md"\n', "changes/.gitignore", "changes/+x.bugfix.md"),
        (TOWNCRIER, "changes/3.misc", "changes/+x.bugfix"),
        (TOWNCRIER, "elsewhere/3.misc", ""),
        ('[tool.towncrier]\npackage = "shop"\npackage_dir = "src"\n',
         "src/shop/newsfragments/1.doc.md", "src/shop/newsfragments/+x.bugfix.md"),
        (f'{TOWNCRIER}[[tool.towncrier.type]]\ndirectory = "fix"\n', "changes/1.fix.md",
         "changes/+x.fix.md"),
        (f"{TOWNCRIER}[tool.towncrier.fragment.feature]\n", "changes/1.feature.md", ""),
        ('[tool.towncrier]\ndirectory = ".news"\n', ".news/1.misc.md", ""),
        ('[tool.towncrier]\ndirectory = "../news"\n', "../news/1.misc.md", ""),
        ("[tool", "newsfragments/1.misc.md", "newsfragments/+x.bugfix.md"),
    ],
)  # fmt: skip
def test_a_fragment_is_called_as_towncrier_is_set(settings: str, there: str, path: str) -> None:
    texts = {"pyproject.toml": settings}
    assert fragment({there}, texts.get, ("bugfix", "fix"), "x") == path


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("README.md", "~~~\na>=1\n```\na>=1\n~~~\na>=1\n", "~~~\na>=2\n```\na>=2\n~~~\na>=1\n"),
        ("README.md", "```\na>=1,<3\nbba>=1\na>=1.5\na>=1\n```\n",
         "```\na>=1,<3\nbba>=1\na>=1.5\na>=2\n```\n"),
        ("docs/x.rst", "Install a>=1::\n\n    pip a>=1\n\n    a>=1\n\na>=1\n",
         "Install a>=1::\n\n    pip a>=2\n\n    a>=2\n\na>=1\n"),
        ("docs/x.rst", ".. code-block:: sh\n   :caption: x\n\n   a>=1\r\n\na>=1\n",
         ".. code-block:: sh\n   :caption: x\n\n   a>=2\r\n\na>=1\n"),
    ],
)  # fmt: skip
def test_only_blocks_of_code_are_quotes(path: str, text: str, expected: str) -> None:
    assert with_requirement(path, text, "a>=1", "a>=2") == expected


def test_what_tells_of_the_past_is_no_document_of_today() -> None:
    assert is_document("README.rst")
    assert is_document("docs/howto/install.md")
    for path in ("docs/changelog.md", "docs/releases/1.0.md", "docs/.hidden/x.md", "shop/x.md"):
        assert not is_document(path)


@pytest.mark.parametrize(
    ("before", "after", "stated"),
    [
        ("n=5", "n=6", "Defaults to 6."),
        ("n=5, m=4", "n=6, m=4", "Defaults to 6."),
        ("*, n=5", "*, n=6", "Defaults to 6."),
        ("n=5, m=5", "n=6, m=5", "Defaults to 5."),
        ("n=5", "n=5", "Defaults to 5."),
        ("n=5", "n=object()", "Defaults to 5."),
        ("n=5", "other=6", "Defaults to 5."),
    ],
)
def test_a_docstring_states_the_default_that_a_change_gives(
    before: str, after: str, stated: str
) -> None:
    text = 'class A:\n    def f(self, {}):\n        """Take n. {}"""\n        return 5\n'
    file = FileChange(
        "a.py", text.format(before, "Defaults to 5."), text.format(after, "Defaults to 5.")
    )
    assert with_true_defaults(file).after == text.format(after, stated)


@pytest.mark.parametrize(
    ("said", "now"),
    [
        ("defaults to ``utf-8``", "defaults to ``ascii``"),
        ('(default: "utf-8")', '(default: "ascii")'),
        ("Default is utf-8.", "Default is ascii."),
        ("Default is utf-8-sig.", "Default is utf-8-sig."),
        ("défaut; defaults to utf-8", "défaut; defaults to ascii"),
        (
            "defaults to utf-8, and if x defaults to utf-8",
            "defaults to utf-8, and if x defaults to utf-8",
        ),
        ("takes utf-8", "takes utf-8"),
    ],
)
def test_a_default_is_recognised_where_it_is_called_one(said: str, now: str) -> None:
    text = '# é\r\ndef f(code="{}"):\r\n    """Read.\r\n\r\n    It {}\r\n    """\r\n'
    file = FileChange("a.py", text.format("utf-8", said), text.format("ascii", said))
    assert with_true_defaults(file).after == text.format("ascii", now)
    assert with_true_defaults(FileChange("a.txt", "a", "b")).after == "b"
    assert with_true_defaults(FileChange("a.py", "a", "(")).after == "("

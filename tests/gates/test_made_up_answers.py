"""What no test tells is not answered by a constant of the change's own."""

from dataclasses import replace

import pytest

from honed.core.change import CodeChange, FileChange
from honed.core.gate import Judge, Thresholds
from honed.gates.made_up_answers import MadeUpAnswers

NOBODY: Judge = None  # type: ignore[assignment]  # it asks none
MODELS = """MODELS = {"city": 18}


def weight(model):
    if model == "":
        return None
    try:
        return MODELS[model]
    except TypeError:
        return 0


def first(names):
    return names[0]
"""
TEST = "tests/test_honed_1.py"
RETURNS = "def test_it():\n    returned = weight('x')\n    assert isinstance(returned, int)\n"


def change(after: str, test: str = RETURNS, before: str | None = None) -> CodeChange:
    files = (FileChange("shop/models.py", MODELS, after), FileChange(TEST, before, test))
    return CodeChange("0" * 40, files, (f"{TEST}::test_it",), "Know every model")


def test_what_stood_in_the_code_before_is_not_made_up() -> None:
    guarded = MODELS.replace(
        "    return names[0]", "    if not names:\n        return None\n    return names[0]"
    )
    for made_by, passes in (("revert_commit: 1f4656c", True), ("template_repair: guard", False)):
        made = replace(change(guarded), made_by=made_by)
        assert MadeUpAnswers().check(made, NOBODY, Thresholds()).passed is passes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    return names[0]", "    if not names:\n        return None\n    return names[0]"),
        ("    return names[0]", "    return names[0] if names else ''"),
        ("    return names[0]", "    return names and names[0] or []"),
        ("    return names[0]", "    return next(iter(names), -1)"),
        ("    return names[0]", "    return max(names, default=0)"),
        ("        return MODELS[model]", "        return MODELS.get(model)"),
        ("        return MODELS[model]", "        return MODELS.get(model, 18)"),
        ("        return MODELS[model]", "        return MODELS[model] if model else set()"),
        ("except TypeError:\n        return 0", "except TypeError:\n        pass"),
        ("        return 0", "        return 1"),
        (
            "    return names[0]",
            "    with contextlib.suppress(IndexError):\n        return names[0]",
        ),
        ("    return names[0]", "    with lock, suppress(IndexError):\n        return names[0]"),
        (
            "except TypeError:\n        return 0",
            "except TypeError as error:\n        logging.getLogger(__name__).warning('%s', error)",
        ),
        (
            "except TypeError:",
            (
                "except KeyError:\n        log.exception('unknown')\n        return None\n"
                "    except TypeError:"
            ),
        ),
        (
            "    return names[0]",
            (
                "    try:\n        name = names[0]\n    except IndexError:\n        print('none')\n"
                "        name = ''\n    return name"
            ),
        ),
        # It stands elsewhere, which is no reason to say it here.
        ("    return names[0]", "    return 0 if not names else names[0]"),
    ],
)
def test_constants_that_the_code_did_not_answer_with_are_refused(old: str, new: str) -> None:
    assert MODELS.count(old) == 1
    result = MadeUpAnswers().check(change(MODELS.replace(old, new)), NOBODY, Thresholds())
    assert not result.passed
    assert not result.refutes, "a person may know better"
    assert result.evidence["path"] == "shop/models.py"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("except TypeError:", "except (TypeError, KeyError):"),
        ("MODELS[model]", "MODELS[model.strip().lower()]"),
        ("names[0]", "names[-1]"),
        ("    return names[0]", "    name = names or ['nobody']\n    return name[0]"),
        ('"city": 18', '"city": 18, "cargo": 41'),
        ('if model == "":', "if not model:"),
        (
            "except TypeError:",
            (
                "except KeyError:\n        log.warning('%s', model)\n        raise\n"
                "    except TypeError:"
            ),
        ),
        (
            "except TypeError:",
            (
                "except KeyError:\n        MODELS[model] = measured(model)\n"
                "        return MODELS[model]\n    except TypeError:"
            ),
        ),
        ("    return names[0]", "    with lock:\n        return names[0]"),
    ],
)
def test_what_is_found_out_may_be_answered(old: str, new: str) -> None:
    assert MODELS.count(old) == 1
    assert MadeUpAnswers().check(change(MODELS.replace(old, new)), NOBODY, Thresholds()).passed


@pytest.mark.parametrize(
    ("test", "before"),
    [
        ("def test_it():\n    assert weight('x') == 0\n", None),
        # What a person has said of the call.
        ("def test_it():\n    assert weight('x') is None\n", None),
        ("def test_it():\n    with pytest.raises(LookupError):\n        weight('x')\n", None),
        # A test of the repository says what its author knows.
        (RETURNS, RETURNS),
    ],
)
def test_a_test_that_tells_the_answer_is_enough(test: str, before: str | None) -> None:
    made_up = MODELS.replace("        return MODELS[model]", "        return MODELS.get(model, 0)")
    assert MadeUpAnswers().check(change(made_up, test, before), NOBODY, Thresholds()).passed
    assert not MadeUpAnswers().check(change(made_up), NOBODY, Thresholds()).passed


def test_files_that_cannot_be_read_are_left_to_others() -> None:
    assert MadeUpAnswers().check(change("def ("), NOBODY, Thresholds()).passed

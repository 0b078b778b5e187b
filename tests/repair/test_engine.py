"""From failing tests to a patch that may be published, or to a question."""

from dataclasses import replace
from typing import Any

import pytest

from honed.repair.engine import repair
from honed.repair.suite import Budget, Outcome, Suite
from honed.sandbox.box import Box

#: So many counts and enough time that a repair is the same each time.
BUDGET = Budget(seconds=60.0, processes=1, most_candidates=400)

SHOP = {
    "shop/__init__.py": "",
    "shop/prices.py": '''\
"""Prices, in cents."""

DISCOUNTS = {"gold": 20, "silver": 10}


def discounted(cents: int, level: str | None) -> int:
    """Return what a customer of a level pays."""
    percent = DISCOUNTS.get(level or "", 0)
    return cents - cents * percent // 100  # rounded in favour of the shop
''',
    "shop/basket.py": '''\
"""What a customer is about to buy."""

from shop.prices import discounted


class Basket:
    """Articles and how many of each."""

    def __init__(self, store, level=None):
        self._store = store
        self._level = level
        self._lines = []

    def add(self, article, count):
        if count <= 0:
            raise ValueError(count)
        self._lines.append((article, count))

    def total(self):
        """Return what all costs; free delivery from 5000 cents on."""
        total = 0
        for article, count in self._lines:
            total += discounted(self._store[article], self._level) * count
        if total > 5000:
            return total
        return total + 490
''',
    "conftest.py": """\
import pytest

from shop.basket import Basket


@pytest.fixture(scope="session")
def store():
    return {"pen": 150, "lamp": 2500, "desk": 9900}


@pytest.fixture
def basket(store, tmp_path):
    (tmp_path / "log").write_text("tests may write to their own folder")
    return Basket(store)
""",
    "tests/test_basket.py": """\
import pytest

from shop.basket import Basket


def test_small_baskets_pay_for_delivery(basket):
    basket.add("pen", 2)
    assert basket.total() == 790


def test_delivery_is_free_from_5000_on(basket):
    basket.add("lamp", 2)
    assert basket.total() == 5000
    basket.add("desk", 1)
    assert basket.total() == 14900


@pytest.mark.parametrize(("level", "total"), [("gold", 7920), ("silver", 8910)])
def test_customers_have_discounts(store, level, total):
    basket = Basket(store, level)
    basket.add("desk", 1)
    assert basket.total() == total


def test_nothing_less_than_one_is_bought(basket):
    with pytest.raises(ValueError):
        basket.add("pen", 0)
""",
}


@pytest.mark.slow
def test_a_method_is_repaired_through_fixtures_and_modules(plant: Any, box: Box) -> None:
    suite: Suite = plant(SHOP)
    before = {path: path.read_bytes() for path in suite.root.rglob("*.py")}
    outcome = repair(suite, box, BUDGET)
    first = outcome.patches[0]
    assert first.path == "shop/basket.py"
    assert "if total >= 5000:" in first.after or "4999" in first.after
    assert first.before == SHOP["shop/basket.py"]
    changed = [
        (old, new)
        for old, new in zip(first.before.splitlines(), first.after.splitlines(), strict=True)
        if old != new
    ]
    assert len(changed) == 1
    assert {path: path.read_bytes() for path in suite.root.rglob("*.py")} == before
    # What a basket is cannot be written down, so nobody looked at what else it does.
    assert outcome.abstained


def of_function(plant: Any, program: str, *asserts: str) -> Suite:
    body = "".join(f"    assert {each}\n" for each in asserts)
    tests = f"from program import *\n\n\ndef test_it():\n{body}"
    planted = plant({"program.py": program, "test_program.py": tests})
    assert isinstance(planted, Suite)
    return planted


LARGEST = """\
def largest(values):
    best = values[0]
    for value in values:
        if value < best:
            best = value
    return best
"""


@pytest.fixture
def largest(plant: Any, box: Box) -> Outcome:
    suite = of_function(
        plant,
        LARGEST,
        "largest([1, 5, 2]) == 5",
        "largest([3]) == 3",
        "largest([4, -2, 9, 9]) == 9",
    )
    return repair(suite, box, BUDGET)


def test_where_all_patches_behave_the_same_the_first_may_be_published(largest: Outcome) -> None:
    assert not largest.abstained
    assert "if value > best:" in largest.patches[0].after
    assert largest.examined["candidates"] > 0
    assert largest.examined["first_patch_s"] > 0


@pytest.mark.slow
def test_what_was_learned_of_templates_orders_patches(plant: Any, box: Box) -> None:
    suite = of_function(plant, "def double(n):\n    return n + 2\n", "double(3) == 6")
    budget = replace(BUDGET, most_candidates=150)
    outcomes = [
        repair(suite, box, budget, {liked: 2.0, other: 0.5})
        for liked, other in (
            ("arithmetic_operator", "expression_to_variable"),
            ("constant_number", "arithmetic_operator"),
        )
    ]
    texts = [{patch.after: patch.score for patch in each.patches} for each in outcomes]
    gains = {
        patch.template: texts[0][patch.after] - texts[1][patch.after]
        for patch in outcomes[0].patches
        if patch.after in texts[1]
    }
    assert gains["arithmetic_operator"] > 0
    assert gains["constant_number"] < 0


@pytest.mark.slow
def test_a_repair_can_be_repeated(plant: Any, box: Box) -> None:
    suite = of_function(plant, LARGEST, "largest([1, 5, 2]) == 5", "largest([4, -2, 9]) == 9")
    one, other = (repair(suite, box, BUDGET) for _ in range(2))
    assert one.patches == other.patches
    assert (one.abstained, one.question) == (other.abstained, other.question)


@pytest.mark.slow
def test_every_process_knows_every_assertion(plant: Any, box: Box) -> None:
    suite = of_function(plant, LARGEST, "largest([1, 5, 2]) == 5", "largest([4, -2, 9]) == 9")
    one = repair(suite, box, BUDGET)
    two = repair(suite, box, replace(BUDGET, processes=2))
    assert {patch.after for patch in one.patches} == {patch.after for patch in two.patches}


def test_where_tests_do_not_tell_patches_apart_a_person_is_asked(plant: Any, box: Box) -> None:
    # One test: any number of changes pass it, and they do not mean the same.
    program = "def price(amount, count):\n    return amount - count\n"
    suite = of_function(plant, program, "price(2, 2) == 4")
    outcome = repair(suite, box, BUDGET)
    assert "do not behave the same" in outcome.abstained
    question = outcome.question
    assert question is not None
    assert question.function == "price"
    assert len(question.arguments) == 2
    assert len(set(question.outputs.values())) > 1
    assert {patch.cluster for patch in outcome.patches} >= set(list(question.outputs)[:2])


@pytest.mark.slow
def test_a_missing_guard_is_made_of_what_locals_say(plant: Any, box: Box) -> None:
    program = """\
def kind(name, known):
    parts = name.split(".")
    if len(parts) != 2:
        return "no"
    if not parts[0]:
        return "no"
    return "yes"
"""
    suite = of_function(
        plant,
        program,
        "kind('a.txt', ['txt', 'exe']) == 'yes'",
        "kind('b.exe', ['exe', 'txt']) == 'yes'",
        "kind('c.png', ['txt', 'exe']) == 'no'",
        "kind('d.doc', ['txt']) == 'no'",
        "kind('txt.gif', ['txt']) == 'no'",
        "kind('.txt', ['txt']) == 'no'",
        "kind('e', ['txt']) == 'no'",
    )
    outcome = repair(suite, box, Budget(seconds=60.0, processes=1, most_candidates=900))
    assert any("not in known" in patch.after for patch in outcome.patches)


@pytest.mark.slow
def test_two_faults_are_repaired_by_two_edits(plant: Any, box: Box) -> None:
    program = "def end(text, *, last):\n    if last:\n        return text[-2]\n    return text[1]\n"
    suite = of_function(
        plant,
        program,
        "end('abcd', last=False) == 'a'",
        "end('xyzz', last=True) == 'z'",
        "end('pqrs', last=True) == 's'",
        "end('xyzz', last=False) == 'x'",
    )
    outcome = repair(suite, box, Budget(seconds=60.0, processes=1, most_candidates=3000))
    assert outcome.patches
    assert "+" in outcome.patches[0].template
    assert "text[0]" in outcome.patches[0].after
    assert "text[-1]" in outcome.patches[0].after


@pytest.mark.slow
def test_what_cannot_be_repaired_is_not(plant: Any, box: Box) -> None:
    program = "def answer(question):\n    return len(question)\n"
    suite = of_function(plant, program, "answer('why') == 'because of the 17 moons'")
    outcome = repair(suite, box, BUDGET)
    assert outcome.patches == ()
    assert outcome.abstained

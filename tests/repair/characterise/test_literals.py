"""What a repository itself passes to functions is found where it is written in literals."""

from honed.repair.characterise.inside.guess import Guess
from honed.repair.characterise.literals import literal_calls

TEXT = '''"""Say what.

>>> price("1.50", level="gold")
3
>>> broken(
"""

total = shop.price("2")
shop.price("2")
price(total)
price(*[1])
price(**{"x": 1})
price(-1, [1, ("a",)], when=None)
price("x" * 3)
price()
Cart("someone").add(3)
'''


def test_literals_are_told_by_name_of_what_is_called() -> None:
    assert literal_calls([TEXT, "def (:"]) == {
        "price": [
            [["'2'"], {}],
            [["-1", "[1, ('a',)]"], {"when": "None"}],
            [["'1.50'"], {"level": "'gold'"}],
        ],
        "Cart": [[["'someone'"], {}]],
        "add": [[["3"], {}]],
    }


def test_no_more_are_told_than_are_tried() -> None:
    assert len(literal_calls([f"f({number})" for number in range(90)])["f"]) == 10  # type: ignore[arg-type]


class Cart:
    def __init__(self, owner: str, limit: int = 3) -> None:
        self.owner = owner


def add(cart: Cart, count: int) -> int:
    return count + len(cart.owner)


def test_they_become_arguments_and_objects() -> None:
    literals = {"Cart": [(["'someone'"], {}), ([], {"owner": "'x'", "limit": "5"})], "add": []}
    guess = Guess({"names": {}, "calls": {}, "literals": literals}, seed=0)
    made = [each.text for each in guess.made(Cart, 0)]
    assert made[:2] == ["Cart('someone')", "Cart('x', 5)"]
    literals["add"] = [(["1"], {"count": "77"}), (["1", "2", "3"], {}), ([], {"unknown": "1"})]
    found = [given for _, given in guess.calls("f", add, None, ())]
    counts = [made.text for given in found for each, made in given if each.name == "count"]
    assert "77" in counts

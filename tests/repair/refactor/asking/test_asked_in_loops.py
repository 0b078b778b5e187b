"""The loop that asks the database again and again is found by the text of the query."""

import pytest

from honed.repair.refactor.asking.asked_in_loops import Loop, loops_around
from honed.repair.refactor.package import Package

QUERY = "SELECT name FROM customer WHERE id = ?"
ASK = 'cursor.execute("select name\\n  from customer where id = %s;", (each,))'


def loops(text: str, **more: str) -> list[Loop]:
    files = {"shop/orders.py": text, **{f"shop/{name}.py": each for name, each in more.items()}}
    return loops_around(Package(files), QUERY)


@pytest.mark.parametrize(
    "text",
    [
        f"def names(all):\n    for each in all:\n        {ASK}\n",
        f"def names(all):\n    while {ASK}:\n        pass\n",
        f"def names(all):\n    return [{ASK} for each in all]\n",
        f"async def names(all):\n    async for each in all:\n        if each:\n            {ASK}\n",
    ],
)
def test_what_a_loop_asks_by_itself(text: str) -> None:
    assert loops(text) == [Loop("shop/orders.py", 2, "names")]


@pytest.mark.parametrize(
    "text",
    [
        f"def names(all):\n    for each in {ASK}:\n        pass\n",
        f"def names(all):\n    for each in all:\n        pass\n    else:\n        {ASK}\n",
        f"def names(all):\n    {ASK}\n",
        f"for each in []:\n    def later():\n        {ASK}\n",
        "def names(all):\n    for each in all:\n        all.execute('select 1')\n",
    ],
)
def test_what_runs_once_is_no_loop(text: str) -> None:
    assert loops(text) == []


def test_a_query_with_a_name_and_a_function_that_asks_are_followed() -> None:
    text = (
        'NAME = "SELECT name FROM customer WHERE id = $1"\n\n\n'
        "class Customers:\n    def name_of(self, id):\n        return self.ask(NAME, id)\n"
    )
    other = "def report(orders, customers):\n    return {o: customers.name_of(o) for o in orders}\n"
    assert loops(text, report=other) == [Loop("shop/report.py", 2, "report", "name_of")]


def test_a_loop_without_a_function_has_no_name() -> None:
    assert loops(f"for each in [1]:\n    {ASK}\n") == [Loop("shop/orders.py", 1, "")]

"""Patches that pass are published where they agree, and where they are not dearer than others."""

from honed.repair.behaviour import Answer, Compared, Probe, dearness, probes
from honed.repair.decide import decide
from honed.repair.localise import Spectrum, suspicion

PROBE = Probe("m.py", "f", (("1",), ("22",), ("3",)), 1)


def compared(*rows: tuple[str, ...], costs: tuple[int, ...] = ()) -> Compared:
    """Return candidates that answered as told, in clusters of equal answers."""
    numbers = {row: number for number, row in enumerate(dict.fromkeys(rows))}
    prices = costs or (10,) * len(rows)
    answers: list[list[Answer]] = [
        [("returned", text, cost) for text in row] for row, cost in zip(rows, prices, strict=True)
    ]
    base: list[Answer] = [("returned", "?", 10)] * len(PROBE.inputs)
    return Compared([PROBE], answers, base, [numbers[row] for row in rows])


def test_one_cluster_is_published_whatever_the_scores() -> None:
    decision = decide([-9.0, -3.0], compared(("a", "b", "c"), ("a", "b", "c")))
    assert decision.order == (1, 0)
    assert decision.abstained == ""


def test_clusters_of_like_weight_are_a_question_with_the_shortest_input() -> None:
    decision = decide([-1.0, -1.2], compared(("a", "b", "c"), ("a", "x", "y")))
    assert decision.abstained
    assert decision.question is not None
    assert decision.question.arguments == ("3",)
    assert decision.question.outputs == {0: "c", 1: "y"}


def test_an_unnatural_rival_is_no_doubt() -> None:
    decision = decide([-1.0, -8.0], compared(("a", "b", "c"), ("a", "x", "y")))
    assert decision.abstained == ""


def test_patches_that_agree_support_each_other() -> None:
    rows = (("a", "b", "c"), ("a", "x", "y"), ("a", "x", "y"), ("a", "x", "y"))
    assert decide([-1.0, -1.3, -1.4, -1.5], compared(*rows)).order[0] == 1


def test_a_template_has_one_opinion_however_many_patches_it_makes() -> None:
    rows = (("a", "b", "c"), *[("a", "x", "y")] * 3)
    natural, alike = [-1.0, -1.3, -1.4, -1.5], compared(*rows)
    assert decide(natural, alike, templates=("jump", *["guard"] * 3)).order[0] == 0
    assert decide(natural, alike, templates=("jump", "guard", "wrap", "wrap")).order[0] == 1


def test_a_question_is_asked_where_a_person_can_name_a_value() -> None:
    found = compared(("a", "long", "c"), ("a", "other", "?"))
    found.answers[1][2] = ("raised", "KeyError", 10)
    decision = decide([-1.0, -1.2], found)
    assert decision.question is not None
    assert decision.question.arguments == ("22",)
    assert decision.question.outputs == {0: "long", 1: "other"}


def test_a_patch_of_another_order_of_cost_comes_after_a_cheap_one() -> None:
    same = ("a", "b", "c")
    decision = decide([-1.0, -2.0], compared(same, same, costs=(9000, 20)))
    assert decision.order[0] == 1
    costs = compared(same, same, costs=(9000, 20))
    assert dearness(costs.answers[0], costs.answers) > 100


def test_what_was_not_looked_at_is_not_published() -> None:
    unknown = Compared([], [[]], [], [0])
    assert "could not be looked at" in decide([-1.0], unknown).abstained


def test_patches_that_no_input_runs_are_not_told_apart() -> None:
    same = ("?", "?", "?")
    assert "no input was found" in decide([-1.0, -9.0], compared(same, same)).abstained
    assert decide([-1.0], compared(same)).abstained == ""
    assert decide([-1.0, -9.0], compared(("a", "?", "?"), same)).abstained == ""


def test_functions_that_patches_change_are_asked_before_others() -> None:
    often = [{"path": "m.py", "name": "often", "arguments": ["1"], "is_entry": True}] * 9
    once = [{"path": "m.py", "name": "changed", "arguments": ["2"], "is_entry": False}]
    two = [{"path": "n.py", "name": "two", "arguments": ["3"], "is_entry": True}] * 2
    spectrum = Spectrum({}, {}, [*often, *two, *once])
    assert [each.name for each in probes(spectrum, 1)] == ["often", "two"]
    found = probes(spectrum, 1, {("m.py", "changed")})
    assert [each.name for each in found] == ["changed", "often"]


def test_lines_that_only_failing_tests_run_are_the_most_suspicious() -> None:
    lines = {
        "red": {"m.py": frozenset({1, 2, 3})},
        "green": {"m.py": frozenset({1, 2})},
        "also green": {"m.py": frozenset({1})},
    }
    scores = suspicion(Spectrum(lines), ["red"])
    assert scores["m.py", 3] == 1.0
    assert scores["m.py", 3] > scores["m.py", 2] > scores["m.py", 1]
    assert ("m.py", 4) not in scores


def test_the_line_where_an_error_came_from_gains() -> None:
    lines = {"red": {"m.py": frozenset({1, 2})}, "green": {"m.py": frozenset({1, 2})}}
    spectrum = Spectrum(lines, stacks={"red": [("m.py", 1), ("m.py", 2)]})
    scores = suspicion(spectrum, ["red"])
    assert scores["m.py", 2] > scores["m.py", 1]

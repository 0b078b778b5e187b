"""A stored signal becomes a fault, whatever it holds."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from honed.core.canonical import Json
from honed.core.fault import Fault, Frame
from honed.core.fingerprint import fingerprint
from honed.repair.reproduce.captured import captured

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "message", "frames", "file", "line", "vars", "in_app", "x"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


def test_the_last_exception_is_the_fault_and_the_others_are_its_causes() -> None:
    frame: dict[str, Json] = {
        "file": "a.py", "module": "a", "function": "f", "line": 3, "code": "x", "in_app": True,
        "vars": {"n": "1"},
    }  # fmt: skip
    body: dict[str, Json] = {
        "exceptions": [{"type": "KeyError", "frames": [frame]}, {"type": "m.Own", "message": "no"}]
    }
    fault = captured(body)
    cause = Fault("KeyError", frames=(Frame("a.py", "a", "f", 3, "x", is_in_app=True),))
    assert fault == Fault("m.Own", "no", cause=cause, is_cause_context=True)
    assert fault.cause is not None
    assert fault.cause.frames[0].variables == {"n": "1"}
    assert fingerprint(fault) == fingerprint(Fault("m.Own", "no", (), cause, is_cause_context=True))


@given(st.dictionaries(st.just("exceptions"), st.lists(JSON, max_size=4) | JSON))
def test_nothing_that_is_stored_makes_it_fail(body: Mapping[str, Json]) -> None:
    fault = captured(body)
    assert fault is None or isinstance(fault.type, str)

"""What is read of a table on a clone: one row only where a key finds one."""

from typing import LiteralString

import pytest

from honed.targets.postgres.clone import Clone
from honed.targets.postgres.columnstore.reads import find_reads, time_reads


def found(clone: Clone, *statements: LiteralString) -> dict[str, str]:
    clone.run("CREATE TABLE reading (at integer, place text, UNIQUE (at, place))", *statements)
    return find_reads(clone, "reading")


def test_a_row_with_the_whole_key_is_read(clone: Clone) -> None:
    reads = found(
        clone,
        "INSERT INTO reading SELECT nullif(n % 9, 0), nullif('it''s ' || n, 'it''s 5')"
        " FROM generate_series(1, 90) n",
    )
    assert reads.keys() == {"all_columns", "one_column", "one_row"}
    assert len(clone.query(reads["one_row"])) == 1
    assert time_reads(clone, reads).keys() == reads.keys()


@pytest.mark.parametrize(
    "rows", [(), ("INSERT INTO reading SELECT n FROM generate_series(1, 9) n",)]
)
def test_no_row_is_read_where_none_has_a_key(clone: Clone, rows: tuple[LiteralString, ...]) -> None:
    assert found(clone, *rows).keys() == {"all_columns", "one_column"}

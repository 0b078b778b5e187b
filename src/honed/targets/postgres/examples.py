"""Examples: executable texts of a statement, real ones where they were seen, each planned once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from honed.errors import EvaluatorFailed, StatementCut
from honed.storage.db import Connection
from honed.targets.postgres.parameters import Parameters, Style
from honed.targets.postgres.plans import explain
from honed.targets.postgres.statements import QUERIES, example_row
from honed.targets.postgres.texts import StatementText

#: Statements that examples are looked for, the most expensive ones.
MOST_STATEMENTS = 300


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one statement."""

    texts: tuple[str, ...] = ()
    #: ``activity``, ``statistics``, ``text`` or empty.
    source: str = ""
    #: Why there are none; empty: there are.
    reason: str = ""


class ExampleFinder:
    """Finds examples of a target's statements and keeps them in the store."""

    def __init__(self, store: Connection, target: Connection, target_id: int) -> None:
        """Use connections of the caller: ``target`` read only, ``store`` within a transaction."""
        self._store = store
        self._target = target
        self._target_id = target_id

    def find(self, statements: Mapping[str, str]) -> dict[str, Examples]:
        """Return the examples of statements that only read, by statement id.

        An odd statement costs itself alone: it has a reason instead of examples.

        Args:
            statements: texts by statement id, most expensive first.
        """
        looked_at = dict(list(statements.items())[:MOST_STATEMENTS])
        stored = self._stored(list(looked_at))
        found: dict[str, Examples] = {}
        for statement_id, text in statements.items():
            if statement_id not in looked_at:
                reason = f"it is not among the {MOST_STATEMENTS} most expensive statements"
                found[statement_id] = Examples(reason=reason)
                continue
            found[statement_id] = self._seen(stored.get(statement_id, ())) or self._made(
                statement_id, text
            )
            self._write("save_skipped", statement_id, {"skipped": found[statement_id].reason})
        return found

    def _stored(self, statement_ids: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
        rows = self._store.execute(
            QUERIES["list_examples"],
            {"target_id": self._target_id, "statement_ids": statement_ids},
        ).fetchall()
        return {key: list(group) for key, group in groupby(rows, lambda row: row["statement_id"])}

    def _seen(self, rows: Sequence[Mapping[str, Any]]) -> Examples | None:
        """Return the examples of the best source that has any."""
        for source, group in groupby(rows, lambda row: row["source"]):
            texts = tuple(row["example"] for row in group if self._is_accepted(row))
            if texts:
                return Examples(texts, source)
        return None

    def _is_accepted(self, row: Mapping[str, Any]) -> bool:
        if row["is_accepted"]:
            return True
        refusal = self._refusal(row["example"], row["statement_id"])
        # A refused text goes: where it is seen again, it is tried again.
        verdict = "forget_example" if refusal else "accept_example"
        self._write(verdict, row["statement_id"], {"sha256": row["sha256"]})
        return not refusal

    def _refusal(self, example: str, statement_id: str) -> str:
        """Return why ``example`` is none of this statement; empty: it is one."""
        try:
            plan = explain(self._target, example)
        except (EvaluatorFailed, StatementCut) as error:
            return str(error)
        # A client may send several statements in one text, and a cut text may still be one.
        identifier = plan.get("Query Identifier")
        if statement_id and identifier is not None and str(identifier) != statement_id:
            return "the text seen is another statement's"
        return ""

    def _made(self, statement_id: str, text: str) -> Examples:
        statement = StatementText.parse(text)
        if not statement.has_parameters:
            reason = self._refusal(text, statement_id)
            return Examples(reason=reason) if reason else self._keep(statement_id, [text], "text")
        try:
            parameters = self._typed(statement_id, statement)
        except (EvaluatorFailed, StatementCut) as error:
            return Examples(reason=f"the types of its parameters are not known: {error}")
        reason, texts = "no values are known for its parameters", []
        for style in Style:
            example = parameters.example(style)
            if example is None or example in texts:
                continue
            refusal = self._refusal(example, "")
            if refusal:
                reason = refusal
            else:
                texts.append(example)
        return self._keep(statement_id, texts, "statistics") if texts else Examples(reason=reason)

    def _typed(self, statement_id: str, statement: StatementText) -> Parameters:
        """Return the parameters with the types that make examples this very statement.

        The server's identifier of a statement tells types apart, and no values. Where no types
        lead to it, as for parameters that the driver sends beside the text, the server's count.
        """
        inferred = Parameters(self._target, statement)
        for types in inferred.other_types():
            try:
                parameters = Parameters(self._target, statement, types)
            except (EvaluatorFailed, StatementCut):
                continue
            example = parameters.example(Style.COMMON)
            if example is not None and not self._refusal(example, statement_id):
                return parameters
        return inferred

    def _keep(self, statement_id: str, texts: Sequence[str], source: str) -> Examples:
        for text in texts:
            row = example_row(statement_id, text, source=source, is_accepted=True)
            self._write("add_example", statement_id, row)
        return Examples(tuple(texts), source)

    def _write(self, name: str, statement_id: str, values: Mapping[str, Any]) -> None:
        key = {"target_id": self._target_id, "statement_id": statement_id}
        self._store.execute(QUERIES[name], {**key, **values})

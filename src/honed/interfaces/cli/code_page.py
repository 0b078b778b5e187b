"""What a reviewer wants to see of a change of code: diff, gates, question and request."""

import json
from collections import Counter

import click

from honed.core.step import Step
from honed.interfaces.cli.output import print_fields, print_heading, print_rows, print_text
from honed.interfaces.cli.question import answering_line, asked_call
from honed.loop.proposed_code import ProposedCode

_NAMED = 5


def print_code(code: ProposedCode) -> None:
    """Print a change of code."""
    print_heading("change of code")
    more = len(code.repairs) - _NAMED
    named = [*code.repairs[:_NAMED], *([f"and {more} more"] if more > 0 else [])]
    print_fields(
        {
            "made by": code.made_by,
            "on": code.base_commit,
            "commit": code.commit,
            "branch": f"{code.branch} into {code.base_branch}" if code.branch else "",
            "repairs": "\n".join(named),
            "in doubt": code.doubt,
        }
    )
    print_question(code)
    print_heading("diff")
    print_text(code.diff or f"its base is not on this machine; it changes {', '.join(code.paths)}")
    _print_tried(code)
    _print_gates(code)
    _print_requests(code)


def print_acts(step: Step) -> None:
    """Print what a step on a repository does, in words; its bytes are in the JSON."""
    for text in step.do:
        act = json.loads(text)
        branch, commit = act["branch"], act["commit"]
        said = {
            "publish": f"push commit {commit} as {branch}, and open its request",
            "withdraw": f"close its request and delete {branch}; propose the revert of what was"
            " merged",
        }
        print_text(said.get(act["act"], text), indent=6)


def print_question(code: ProposedCode) -> None:
    """Print what a person has to know for the change to be settled, and how to say it, if so."""
    question = code.question
    is_of_ticket = bool(code.call) and code.ticket_id is not None
    if not question and not (is_of_ticket and code.is_open_question):
        return
    if not question and code.is_answered:
        print_heading("question")
        print_text(f"What you said of {code.call} does not tell which change is right.")
        click.echo("A test that does settles it: push one.")
        return
    print_heading("question")
    print_text(f"What is right: {asked_call(question) if question else code.call}?")
    changes = Counter(question["outputs"].values() if question else ())
    for answer, count in changes.most_common():
        print_text(f"{count} of {changes.total()} changes answer {answer}", indent=2)
    if is_of_ticket and code.ticket_id is not None:
        print_text(f"`{answering_line(code.ticket_id, question)}` settles it, or --raises NAME.")
    else:
        click.echo("A test of this input that says what is right settles it.")


def _print_tried(code: ProposedCode) -> None:
    if not code.tried:
        return
    print_heading("tried beside it")
    rows = [each.partition(": ")[::2] for each in code.tried]
    print_rows(("proposer", "what came of it"), rows, empty="")


def _print_gates(code: ProposedCode) -> None:
    if not code.gates:
        return
    print_heading("gates")
    rows = [("passed" if each.passed else "STOPPED", each.gate, each.reason) for each in code.gates]
    print_rows(("said", "gate", "reason"), rows, empty="")
    if code.judge:
        click.echo(f"judged by {code.judge}")


def _print_requests(code: ProposedCode) -> None:
    for each in code.requests:
        print_heading(f"request: change {each.change_id}")
        print_fields(
            {
                "state": each.state,
                "checks": each.checks_state,
                "branch": f"{each.branch} into {each.base_branch}",
                "forge": each.forge,
                "number": each.number,
                "url": each.url,
                "merged as": each.merge_commit,
                "because": each.end_reason,
                "again": f"`honed forge replay {each.change_id}` makes its commit from the record",
            }
        )

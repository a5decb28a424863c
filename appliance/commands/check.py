"""`examsite check`: run the checks now; answers as a Nagios plugin does."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from appliance.checks import results, runner
from appliance.checks.results import Run
from appliance.clock import SystemClock
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.model import N_, ApplianceError
from appliance.words import Words

OK, WARNING, CRITICAL, UNKNOWN = range(4)  # Nagios plugin guidelines, "Plugin Return Codes"
STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")

VERDICTS = {
    "passed": N_("passed"),
    "remark": N_("remark"),
    "failed": N_("failed"),
    "silent": N_("no answer"),
    "broke": N_("broke down"),
}


@click.command()
@click.option("--exam", "exam_id", help="Check for this exam: its rooms only. Default: the whole site.")
@json_option
@config_option
def check(exam_id: str | None, as_json: bool, config_file: Path) -> None:
    """Run all checks now and keep the result, as the box does two hours before an exam.

    Exit status, as a Nagios plugin: 0 all passed, 1 remarks, 2 something failed, is silent or broke down,
    3 the checks could not be run.

    \b
    Example:
      examsite check
      examsite check --json | jq '.items[] | select(.verdict != "passed")'
    """
    try:
        config, db = load(config_file)
        number = runner.run(db, config, SystemClock(), exam_id, "command")
        said = words(config)
    except ApplianceError as refused:
        if as_json:
            out({"status": STATES[UNKNOWN], "fault": words().say(refused.message)})
        else:
            click.echo(f"EXAMSITE {STATES[UNKNOWN]} - {words().say(refused.message)}")
        sys.exit(UNKNOWN)
    run = results.latest(db)
    assert run is not None and run.id == number  # noqa: S101 - it has just been committed
    status = status_of(run)
    if as_json:
        out(as_dict(run, said, status))
    else:
        click.echo("\n".join(as_lines(run, said, status)))
    sys.exit(status)


def status_of(run: Run) -> int:
    """The exit status of a run: its worst verdict."""
    return {"passed": OK, "remark": WARNING}.get(run.worst, CRITICAL)


def as_lines(run: Run, said: Words, status: int) -> list[str]:
    """A summary with performance data, then every item that needs somebody."""
    counts = run.counts
    perfdata = " ".join(f"{word}={counts[word]}" for word in reversed(results.WORST_FIRST))
    summary = said.say(N_("{passed} of {items} checks passed"), passed=counts["passed"], items=len(run.results))
    lines = [f"EXAMSITE {STATES[status]} - {summary} | {perfdata}"]
    for result in run.results:
        if result.verdict != "passed":
            remedy = f" {said.say(result.remedy)}" if result.remedy else ""
            lines.append(f"{said.say(VERDICTS[result.verdict])}: {result.item}: {said.say(result.found)}{remedy}")
    return lines


def as_dict(run: Run, said: Words, status: int) -> dict[str, object]:
    """The run for programs: verdicts are words of docs/checks.md, sentences are in the terminal's language."""
    return {
        "status": STATES[status], "exit": status, "run": run.id, "exam": run.exam, "started_at": run.started_at,
        "finished_at": run.finished_at, "counts": run.counts,
        "items": [
            {
                "item": r.item, "verdict": r.verdict, "found": said.say(r.found),
                "remedy": said.say(r.remedy) if r.remedy else None, "facts": dict(r.facts),
            }
            for r in run.results
        ],
    }  # fmt: skip

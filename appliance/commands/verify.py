"""`examsite verify`: the journal, the archive, or an export folder on any machine."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from appliance import bag, packages, verify_journal
from appliance import verify as verifier
from appliance.commands.common import config_option, json_option, load, out, words
from appliance.config import ConfigError
from appliance.model import N_, ApplianceError
from appliance.packages import Report
from appliance.words import Words

HELD = {
    "journal": (
        N_("The journal holds: 1 entry, the head is {head}."),
        N_("The journal holds: {n} entries, the head is {head}."),
    ),
    "archive": (N_("The archive holds: 1 recording."), N_("The archive holds: {n} recordings.")),
    "package": (
        N_("The package holds: 1 recording, {size_bytes}. Its number is {number}."),
        N_("The package holds: {n} recordings, {size_bytes}. Its number is {number}."),
    ),
}
JSON = ("--json",)
COUNTED = {"journal": "entries", "archive": "segments"}


@click.command()
@click.argument("what", default="all", metavar="[journal|archive|all|PATH]")
@click.option(
    "--checkpoint",
    "checkpoints",
    multiple=True,
    metavar="FILE|TEXT",
    help="A checkpoint of this box's journal that left it earlier; repeat it. With journal or all.",
)
@config_option
@json_option
def verify(what: str, checkpoints: tuple[str, ...], config_file: Path, as_json: bool) -> None:
    """Check that everything is as it was written.

    Exit status 0: all holds; 1: something does not, and it is named; 2: it could not be checked.

    PATH is an export folder. It is checked by itself: no configuration, no database and no network are needed.
    For a folder named journal or archive write ./journal. A folder of `examsite journal export` is checked as the
    verify_journal.py in it would.

    \b
    Example:
      examsite verify
      examsite verify journal --json
      examsite verify journal --checkpoint /media/stick/checkpoint.note
      examsite verify /media/stick/0123-20261122-math
    """
    logging.getLogger("bagit").setLevel(logging.CRITICAL)  # what it finds is in the report
    said = words()
    try:
        if what in ("journal", "archive", "all"):
            config, db = load(config_file)
            reports = [verifier.journal_chain(db, checkpoints)] if what != "archive" else []
            reports += [verifier.whole_archive(db, config)] if what != "journal" else []
            said = words(config)
        elif _is_journal(Path(what)):
            sys.exit(verify_journal.main([what, *(f"--checkpoint={each}" for each in checkpoints), *JSON[: as_json]]))
        else:
            reports = [packages.check(Path(what))]
    except ApplianceError as cannot:
        lines = cannot.faults if isinstance(cannot, ConfigError) else [said.say(cannot.message)]
        click.echo("\n".join(lines), err=True)
        if as_json:
            out({"ok": False, "checked": False, "message": cannot.message.as_json()})
        sys.exit(2)
    if as_json:
        out(_as_json(reports))
    else:
        for report in reports:
            _print(report, said)
    sys.exit(0 if all(report.ok for report in reports) else 1)


def _is_journal(folder: Path) -> bool:
    """A journal that `examsite journal export` wrote, not a package of recordings."""
    return (folder / verify_journal.LEAVES).exists() and not (folder / bag.MANIFEST).exists()


def _as_json(reports: list[Report]) -> dict[str, object]:
    return {
        "ok": all(report.ok for report in reports),
        "checked": True,
        "reports": [
            {
                "subject": r.subject,
                "ok": r.ok,
                **r.counts,
                "number": r.number,
                "remarks": [remark.as_json() for remark in r.remarks],
                "faults": [{"where": f.where, "message": f.message.as_json()} for f in r.faults],
            }
            for r in reports
        ],
    }


def _print(report: Report, said: Words) -> None:
    for remark in report.remarks:
        click.echo(said.say(remark))
    if not report.ok:
        for fault in report.faults:
            click.echo(said.say(fault.message))
        return
    one, many = HELD.get(report.subject, HELD["package"])
    count = report.counts[COUNTED.get(report.subject, "recordings")]
    click.echo(
        said.plural(
            one,
            many,
            count,
            head=bag.spoken(report.number),
            number=bag.spoken(report.number),
            size_bytes=report.counts.get("bytes", 0),
        )
    )

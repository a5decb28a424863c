"""`examsite camera card`: what is on a camera's own card, and a copy of the minutes the archive lacks."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from appliance import card, card_copies, coverage, exams, store
from appliance.card import Ask, Contents, Copy
from appliance.clock import SystemClock, iso
from appliance.commands.camera_target import CONSOLE, Target, opened, target_options
from appliance.commands.common import json_option, out, proven, words
from appliance.model import N_, Actor, ApplianceError, Role
from appliance.words import Words

NO_SITE_FREE_BYTES = 100_000_000


@click.command("card")
@target_options
@click.option("--list", "as_list", is_flag=True, help="Say what is on the card; with --from and --to, of that span.")
@click.option("--from", "from_text", metavar="TIME", help="2026-11-22T10:00:00, the box's clock, the site's zone.")
@click.option("--to", "to_text", metavar="TIME", help="Until when.")
@click.option("--into", "folder", type=click.Path(path_type=Path, file_okay=False),
              help="Where the copy goes. Nothing in it is overwritten.")  # fmt: skip
@click.option("--recording", default="", metavar="TOKEN", help="Which one, where the card has several of that time.")
@click.option("--by", metavar="LOGIN", help="Who fetches it, a technician. Without it the journal names the console.")
@click.option("--by-password-file", type=click.Path(path_type=Path), help="Their password; asked for without it.")
@click.option("--during-exam", is_flag=True, help="Also while the camera is being recorded for an exam.")
@json_option
@click.pass_context
def card_(
    context: click.Context, target: Target, as_list: bool, from_text: str | None, to_text: str | None,
    folder: Path | None, recording: str, by: str | None, by_password_file: Path | None, during_exam: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """List what is on a camera's own card, or copy a span from it: the minutes that are missing in the archive.

    The copy is a file beside the archive, with its SHA-256 and the time of each picture by the camera's clock. It fills
    no gap in the coverage report; it is named beside it, and for a camera of the site it is entered in the journal.

    Exit status: 0 when the card was listed, or the copy has all that was asked for; else 1.

    \b
    Example:
      examsite camera card --camera room-0001 --list
      examsite camera card --camera room-0001 --from 2026-11-22T10:04 --to 2026-11-22T10:09 --into copies
    """
    from_at, to_at = _instant(target, "--from", from_text), _instant(target, "--to", to_text)
    if as_list == (folder is not None):
        raise click.UsageError("Give --list, or --from, --to and --into.")
    if as_list:
        with opened(context, target, as_json) as device:
            _tell_contents(target, card.look(device, from_at, to_at), as_json)
        return
    if from_at is None or to_at is None or folder is None:
        raise click.UsageError("Give --from and --to.")
    target.ready()
    if not during_exam:
        _not_now(target)
    who = _who(target, by, by_password_file)
    config, name = target.config, "card" if target.named is None else target.named.id
    least = NO_SITE_FREE_BYTES if config is None else config.reserve_bytes
    click.echo(_words(target).say(N_("Fetching. It may take as long as the span itself.")), err=True)
    with opened(context, target, as_json) as device:
        copy = _fetched(target, device, Ask(name, from_at, to_at, folder, recording, least), who)
    _tell_copy(target, copy, as_json)
    context.exit(0 if copy.whole else 1)


def _who(target: Target, by: str | None, password_file: Path | None) -> Actor:
    """Who the journal names: a technician who gave their password, or the console."""
    if by is None:
        return CONSOLE
    if target.config is None:
        raise click.UsageError("--by goes with --camera: a camera of no site has no journal.")
    with closing(store.open(target.config.database)) as db:
        return Actor.person(proven(db, target.config, by, Role.TECHNICIAN, password_file, _words(target)))


def _fetched(target: Target, device: Any, ask: Ask, who: Actor) -> Copy:
    """The copy and its entry in the journal; also that there is none, and why."""
    try:
        copy = card.fetch(device, target.user, target.password, ask)
    except ApplianceError as refused:
        target.enter(card_copies.NOT, who, **_gaps(target, ask), from_at=iso(ask.from_at), to_at=iso(ask.to_at),
                     note=refused.message.as_json())  # fmt: skip
        raise
    target.enter(card_copies.KIND, who, **_gaps(target, ask), folder=str(ask.folder.resolve()), **copy.as_json())
    return copy


def _gaps(target: Target, ask: Ask) -> dict[str, Any]:
    """The gaps it is for: their entries and their exam."""
    if target.config is None or target.named is None:
        return {}
    with closing(store.open(target.config.database)) as db:
        found = coverage.gaps_within(db, target.named.id, ask.from_at, ask.to_at)
    return {"exam": found[0].exam if found else None, "refs": [gap.entry for gap in found if gap.entry is not None]}


def _not_now(target: Target) -> None:
    """Recording outranks all else: a card that is read may cost the camera's stream."""
    if target.config is None or target.named is None:
        return
    with closing(store.open(target.config.database)) as db:
        window = exams.required_now(db, target.config, SystemClock().now()).get(target.named.id)
    if window is not None:
        raise ApplianceError(
            N_("The camera is being recorded for an exam until {ends_at}. Reading its card may disturb that: wait, or "
               "give --during-exam."), ends_at=window.ends_at,
        )  # fmt: skip


def _instant(target: Target, option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(f"{option}: write the time as 2026-11-22T10:00:00.") from None
    zone = UTC if target.config is None else target.config.site.zone
    return (at.replace(tzinfo=zone) if at.tzinfo is None else at).astimezone(UTC)


def _words(target: Target) -> Words:
    return words(target.config)


def _contents_json(found: Contents) -> dict[str, Any]:
    return {
        "ok": True, "offset_s": found.offset_s,
        "recordings": [{"recording": one.recording, "source": one.source, "from_at": _iso(one.from_at),
                        "to_at": _iso(one.to_at), "status": one.status, "tracks": list(one.tracks)}
                       for one in found.recordings],
        "events": [{"recording": one.recording, "at": _iso(one.at), "kind": one.event.kind, "state": one.event.state,
                    "topic": one.event.topic} for one in found.events],
    }  # fmt: skip


def _iso(at: datetime | None) -> str | None:
    return None if at is None else iso(at)


def _tell_contents(target: Target, found: Contents, as_json: bool) -> None:
    if as_json:
        out(_contents_json(found))
        return
    say = _words(target)
    for one in found.recordings:
        span = " … ".join("?" if at is None else say.moment(at) for at in (one.from_at, one.to_at))
        click.echo(f"{one.recording}  {one.source}  {span}  {one.status}")
    for event in found.events:
        click.echo(f"  {'?' if event.at is None else say.moment(event.at)}  {event.event.topic}  {event.event.state}")
    if not found.recordings:
        click.echo(say.say(N_("There is no recording on the card.")))
    elif found.offset_s is not None:
        click.echo(say.say(N_("These are the camera's times; its clock differs by {offset} s from this machine's."),
                           offset=found.offset_s or 0))  # fmt: skip


def _tell_copy(target: Target, copy: Copy, as_json: bool) -> None:
    say = _words(target)
    faults = [say.say(card.FAULTS[code]) for code in copy.faults]
    if as_json:
        out({"ok": copy.whole, **copy.as_json(), "file": str(copy.file), "faults": faults})
        return
    click.echo(f"{copy.file}  {say.size(copy.size_bytes)}  " + say.plural("{n} frame", "{n} frames", copy.frames))
    click.echo(f"sha256 {copy.sha256}")
    if copy.first_at is not None and copy.last_at is not None:
        click.echo(say.say(N_("Its pictures, by the camera's clock: {first} to {last}"),
                           first=say.moment(copy.first_at), last=say.moment(copy.last_at)))  # fmt: skip
    for a, b in copy.holes:
        click.echo("! " + say.say(N_("Missing on the card: {from_at}–{to_at}"), from_at=a, to_at=b))
    for fault in faults:
        click.echo(f"! {fault}")
    if not copy.whole and copy.first_at is not None:
        click.echo("! " + say.say(N_("The copy does not have all that was asked for.")))

"""What each kind of journal entry says to a person: kind -> sentence with {fields} of the entry. See docs/journal.md.

Fields come from the entry's data, and `room`, `camera`, `exam`, `name` (who did it). Suffixes decide how they are said.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Formatter

from appliance.journal import Entry
from appliance.model import N_, Gone, Message

KINDS: Mapping[str, str] = {
    "service.started": N_("Service {service} started"),
    "service.died": N_("Service {service} ended by itself and was started again"),
    "box.started": N_("The box started"),
    "clock.stepped": N_("The box clock was moved by {step_ms}"),
    "journal.broken": N_("The journal's chain is broken at entry {entry}"),
    "journal.begun": N_("The journal was begun, epoch {epoch}, box {box}"),
    "box.alive": N_("The box is alive"),
    "box.absent": N_("No sign of life from {from_at} to {to_at}, {absent_ms}: {cause}"),
    "checkpoint.refused": N_("The journal was not signed: {cause}"),
    "witness.agreed": N_("Witness {witness} signed the journal at {size} entries"),
    "witness.lost": N_("Witness {witness} did not sign the journal: {cause}"),
    "anchor.marked": N_("The journal was marked on a stick at {size} entries: {place}"),
    "anchor.contradicted": N_("A mark outside the box contradicts the journal. {place}: {cause}"),
    "anchor.failed": N_("The journal was not marked on a stick: {cause}"),
    "stick.asked": N_("{name} asked to mark the journal on a stick"),
    "video.minute": N_("Recordings taken in: {segments}, bound to the journal"),
    "erasure.asked": N_("{name} asked to erase the personal data of {login}. Ground: {ground}"),
    "erasure.agreed": N_("{name} agreed that personal data is erased"),
    "erasure.refused": N_("{name} refused that personal data is erased: {word}"),
    "personal.erased": N_("Personal data erased, {values} values: {asked} asked, {name} agreed. Ground: {ground}"),
    "config.loaded": N_("Configuration read, fingerprint {sha256}"),
    "exam.planned": N_("Exam planned: {title}, {starts_day} {starts_at}–{ends_at}"),
    "exam.moved": N_("Exam moved to {starts_day} {starts_at}–{ends_at}"),
    "exam.cancelled": N_("Exam cancelled"),
    "checks.asked": N_("{name} asked for the checks"),
    "checks.finished": N_("Checks finished: {passed} of {items} passed"),
    "recording.started": N_("Recording started"),
    "recording.stopped": N_("Recording stopped by plan"),
    "camera.silent": N_("Camera went silent"),
    "camera.returned": N_("Camera records again after {silent_ms}"),
    "camera.refused": N_("Camera refused the password"),
    "camera.deaf": N_("No events come from the camera"),
    "camera.heard": N_("Events come from the camera again after {silent_ms}"),
    "camera.udp": N_("Camera is recorded over UDP, because it refuses TCP: frames may be lost in the network"),
    "camera.packets_lost": N_("Lost in the network, of the recording that ends here: {packets} packets"),
    "camera.second_silent": N_("The camera's second stream is not recorded: {cause}"),
    "camera.second_returned": N_("The camera's second stream is recorded again after {silent_ms}"),
    "camera.view_approved": N_("The camera's view was approved"),
    "recording.gap": N_("Recording gap {from_at}–{to_at}, {gap_ms}: {cause}"),
    "recording.critical": N_("Nothing was recorded here for {gap_ms}: critical"),
    "recording.found": N_("The gap {from_at}–{to_at} is none any more: its recording was found"),
    "recording.failed": N_("Recording of this camera failed inside the program and was started again: {fault}"),
    "segment.unreadable": N_("A recording left open holds nothing that can be played; it is kept as {path}"),
    "segment.repaired": N_("A recording left open was cut back to its last whole part: {path}"),
    "coverage.signed": N_("{name} signed the coverage report: {rooms_covered} of {rooms} rooms without a gap"),
    "archive.sealed": N_("Archive sealed: {segments} recordings, {size_bytes}"),
    "archive.retired": N_("Deleted by rule, the recordings of {day}, {files} files, {size_bytes}. {why}"),
    "archive.held": N_("{name} holds {files} recordings of the exam: they are not deleted. {reason}"),
    "archive.released": N_("{name} no longer holds {files} recordings of the exam. {reason}"),
    "disk.full": N_("Recording disk full up to its reserve: {disk_name}"),
    "disk.failing": N_("Recording disk reports errors: {disk_name}, {cause}"),
    "disk.missing": N_("Recording disk is not there: {disk_name}, {cause}"),
    "disk.well": N_("Recording disk can be used again: {disk_name}"),
    "disk.trusted": N_("{name} said that a recording disk is to be used: {disk_name}"),
    "alarm.raised": N_("Alarm: {what}, {zone}"),
    "alarm.restored": N_("Alarm over: {what}, {zone}"),
    "alarm.tested": N_("In test mode: {what}, {zone}"),
    "alarm.acknowledged": N_("{name} acknowledged: {what}, {zone}. {comment}"),
    "alarm.asked": N_("Still there and asks again: {what}, {zone}. {by} had taken it at {taken_at}"),
    "alarm.concluded": N_("{name} on the cause of {what}, {zone}: {word}"),
    "alarm.shelved": N_("{name} shelved until {until_at}: {what}, {zone}. {reason}"),
    "alarm.unshelved": N_("No longer shelved: {what}, {zone}"),
    "alarm.out": N_("{name} took out of service: {what}, {zone}. {reason}"),
    "alarm.in": N_("Back in service: {what}, {zone}"),
    "test.begun": N_("{name} began test mode until {until_at}: {zone}. {reason}"),
    "test.ended": N_("Test mode is over: {zone}. Events in it: {events}"),
    "duty.handed": N_("{name} handed duty over to {taking}: {standing} alarms stand, {open} without a conclusion"),
    "panel.lost": N_("Panel {panel_name} not heard"),
    "panel.heard": N_("Panel {panel_name} heard again after {silent_ms}"),
    "panel.event": N_("The panel reports: {what}, {zone}"),
    "panel.unparsed": N_("The panel sent a line we do not know. Kept as it came: {line}"),
    "events.lost": N_("Events of panel {panel_name} were lost: {lost}"),
    "door.opened": N_("{zone} opened"),
    "door.closed": N_("{zone} closed after {open_ms}"),
    "box.opened": N_("The box was opened: {zone}"),
    "box.closed": N_("The box was closed after {open_ms}: {zone}"),
    "usb.plugged": N_("Plugged into USB port {port}: {what}, {device}"),
    "usb.unplugged": N_("Pulled out of USB port {port}: {what}, {device}"),
    "network.lost": N_("Network cable out: {port}"),
    "network.back": N_("Network cable in again: {port}, after {lost_ms}"),
    "mains.lost": N_("Mains power is out"),
    "mains.back": N_("Mains power is back after {lost_ms}"),
    "ups.low": N_("The UPS is nearly empty: {charge_percent} %, lasts {runtime_s}"),
    "ups.silent": N_("The UPS does not answer: {cause}"),
    "ups.heard": N_("The UPS answers again after {silent_ms}"),
    "program.updated": N_("The program was changed from version {before} to {after}"),
    "config.changed": N_("The configuration was changed ({count}): {shown}"),
    "camera.set": N_("Camera set, {what}: {after}, before {before}"),
    "camera.unset": N_("Camera could not be set, {what}: {note}"),
    "camera.password": N_("Camera has another password for {user}"),
    "camera.unpassword": N_("Camera did not take another password for {user}: {note}"),
    "camera.rebooted": N_("Camera was started again from here: {after}"),
    "camera.unrebooted": N_("Camera was told to start again and did not: {note}"),
    "camera.card_fetched": N_(
        "Copied from the camera's card for {from_at}–{to_at}: {file}, {size_bytes}, SHA-256 {sha256}. It fills no gap"
    ),
    "camera.card_unfetched": N_("The camera's card did not give {from_at}–{to_at}: {note}"),
    "camera.asked": N_("{name} asked: {what}, {target}"),
    "camera.taken": N_("{name} took in camera {camera_name}: {maker} {model}, serial number {serial}, at {address}"),
    "camera.renamed": N_("{name} named camera {before} {after}, room {room_after}"),
    "camera.streams": N_("{name} set what is recorded of the camera: {after}, before {before}"),
    "camera.aside": N_("{name} set camera {camera_name} aside: it is recorded no more"),
    "camera.back": N_("{name} brought camera {camera_name} back"),
    "camera.unlocked": N_("{name} typed the camera's password for {user}; it let us in"),
    "camera.readdressed": N_("The camera has another address: {after}, before {before}; recognised by its {by}"),
    "camera.twins": N_("Two cameras answer at {address}: {macs}"),
    "camera.replaced": N_("Another camera stands in its place, {what} {after} instead of {before}"),
    "camera.restarted": N_("The camera was restarted"),
    "camera.changed": N_("The camera's settings were changed from elsewhere ({count}): {shown}"),
    "camera.settled": N_("The camera's settings since we set it ({count}): {shown}"),
    "camera.entered": N_("Somebody signed in to the camera from elsewhere: {address}"),
    "event.explained": N_("{what}. Announced: {action}"),
    "event.unexplained": N_("{what}, no action announced. Write who and why"),
    "access.contradicted": N_("Announced: {action}, but {unseen}. Clarify with a corrective entry"),
    "export.asked": N_("{name} asked to hand over recordings"),
    "export.agreed": N_("{name} agreed that recordings leave the site"),
    "export.refused": N_("{name} refused that recordings leave the site: {word}"),
    "export.lapsed": N_("Nobody agreed in time, the request to hand over recordings was closed"),
    "export.finished": N_("Recordings handed over and read back: {files} files, {size_bytes}"),
    "export.failed": N_("Hand-over stopped: {cause}"),
    "person.added": N_("Account added: {login}, {role}"),
    "person.disabled": N_("Account disabled: {login}"),
    "plan.added": N_("{name} added the plan of {title}, {size_bytes}"),
    "plan.replaced": N_("{name} replaced the plan of {title}, {size_bytes}"),
    "plan.renamed": N_("{name} changed the plan {before}, order {before_level}, to {title}, order {level}"),
    "plan.removed": N_("{name} removed the plan of {title} with {places} places"),
    "place.set": N_("{name} placed on the plan of {title}: {what}"),
    "place.taken": N_("{name} took off the plan of {title}: {subject}"),
    "signin.accepted": N_("{name} signed in"),
    "signin.refused": N_("Sign-in refused for {login}"),
    "signin.ended": N_("{name} signed out"),
    "access.begun": N_("{name} began: {title}, {rooms}"),
    "access.ended": N_("{name} ended: {title}, {rooms}"),
    "access.stated": N_("{name} stated: {title}, {rooms}, {started_at}–{ended_at}"),
    "access.corrected": N_("{name} corrected no. {ref}: {title}, {rooms}, {started_at}–{ended_at}"),
    "access.confirmed": N_("{name} confirmed no. {ref}: {title}, {rooms}"),
    "access.declined": N_("{name} declined no. {ref}: {title}, {rooms}. {word}"),
    "acts.rebuilt": N_("The table of actions was made anew from the journal, it differed in {acts}"),
    "badge.added": N_("Card {label} given to {login}"),
    "badge.revoked": N_("Card {label} of {login} revoked"),
    "badge.refused": N_("A card was refused"),
    "passkey.added": N_("Security key {label} registered for {login}"),
    "passkey.revoked": N_("Security key {label} of {login} revoked"),
    "passkey.refused": N_("A security key was refused"),
    "journal.explained": N_("{name} explained entry {ref}: {word}"),
    "journal.exported": N_("The journal left the box: {rows} entries"),
    "journal.printed": N_("{name} printed the form of the journal: {rows} rows, marked with the checkpoint of {size}"),
    "journal.reviewed": N_("{name} reviewed entry {ref}: {verdict}. {word}"),
}


def sentence(entry: Entry) -> Message:
    """The entry as a Message for `words.Words.say`. A kind this program does not know is shown by its own name."""
    text = KINDS.get(entry.kind)
    if text is None:
        return Message("{kind}", {"kind": entry.kind})
    fields: dict[str, object] = {
        "room": entry.room,
        "camera": entry.camera,
        "exam": entry.exam,
        "name": entry.actor.name or (entry.actor.name if isinstance(entry.actor.name, Gone) else entry.actor.id),
        "ref": entry.refs[0] if entry.refs else None,
        **entry.data,
    }
    rooms = fields.get("rooms")
    if isinstance(rooms, list | tuple):  # none, one, or the ends of a range
        fields["rooms"] = "–".join(rooms) or None
    for name in _fields_of(text):
        at = fields.get(name.removesuffix("_day") + "_at")  # an instant also tells its day
        fields.setdefault(name, at if name.endswith("_day") else None)
    return Message(text, fields)


def _fields_of(text: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(text) if name]

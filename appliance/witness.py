"""Witnesses: somebody elsewhere signs each checkpoint, having seen that it continues the last one (C2SP tlog-witness).

Off unless the configuration names one. What leaves is the checkpoint (name, size, hash) and hashes that prove that it
continues: no personal data. A witness that remembers more than we have, or other rows, finds a card put back to an
earlier image, a second box from one card, a rewritten journal. docs/journal-witness.md
"""

from __future__ import annotations

import base64
import json
import logging
import random
import re
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Literal

import requests

from appliance import anchors, checkpoints, cosignatures, identity, journal, merkle, notes, store
from appliance.checkpoints import Checkpoint
from appliance.clock import Clock, iso
from appliance.config import Config
from appliance.model import N_, Actor, Message, message
from appliance.notes import NoteError
from appliance.store import Database
from appliance.witness_at import WitnessAt

log = logging.getLogger(__name__)

KEEPER = Actor.service("keeper")
LOOK_S = 2.0
TIMEOUT_S = (5.0, 10.0)  # to connect, and between two bytes of the answer
ANSWER_BYTES = 16 * 1024  # a hundred signature lines; whoever sends more is no witness
PIECE_BYTES, WHOLE_S = 64, 60.0  # read in small pieces, so that a byte every few seconds does not hold us for hours
PROOF_LINES = 63  # C2SP: a client must not send more
ASKED_AGAIN = 2  # after a 409 that only says another size
PAUSE_S, PAUSE_LONGEST_S = 30.0, 1800.0
SIZE = re.compile(rb"(0|[1-9][0-9]{0,15})\n")

State = Literal["agrees", "silent", "refuses", "contradicts"]
UNKNOWN = N_(
    "it does not know this journal, {origin}. A journal that was begun anew stays unknown until the region enrols it"
)
STRANGER = N_("it does not know the key this journal is signed with")
STRANGE = N_("it answered with {status}, which it should not")
QUIET = N_("it does not answer: {cause}")
FALSE = N_("its answer is not its own: {cause}")


@dataclass(frozen=True, slots=True)
class Known:
    """How a witness answered last. `cause`: why it did not sign."""

    name: str
    state: State
    since_at: str
    asked_at: str
    cause: Message | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question. `size`: what the witness says it remembers."""

    state: State
    cause: Message | None = None
    note: str | None = None


class _Conflict(Exception):
    """409: the witness remembers another size than we said."""

    def __init__(self, size: int) -> None:
        self.size = size


class _Refused(Exception):
    def __init__(self, state: State, cause: Message) -> None:
        self.answer = Answer(state, cause)


def known(db: Database) -> dict[str, Known]:
    """How each witness answered last, by name."""
    return {row["name"]: _known(row) for row in db.rows("select * from witness")}


def _known(row: Mapping[str, Any]) -> Known:
    cause = Message.from_json(json.loads(row["cause"])) if row["cause"] else None
    return Known(row["name"], row["state"], row["since_at"], row["asked_at"], cause)


def start(config: Config, clock: Clock, stop: threading.Event) -> list[threading.Thread]:
    """One thread for each witness: none waits for another, and the keeper waits for none."""
    threads = [threading.Thread(target=_keep, args=(config, clock, each, stop), name=f"witness-{n}", daemon=True)
               for n, each in enumerate(config.witnesses, 1)]  # fmt: skip
    for thread in threads:
        thread.start()
    return threads


def _keep(config: Config, clock: Clock, at: WitnessAt, stop: threading.Event) -> None:
    asking = Asking(config, clock, at)
    with closing(store.open(config.database)) as db, closing(asking.session):
        pause_s = LOOK_S
        while not stop.wait(pause_s):
            try:
                pause_s = asking.turn(db)
            except Exception:  # the loop's one place to decide: it is said, and tried again
                log.exception("witness %s could not be asked", at.name)
                pause_s = PAUSE_S


@dataclass(slots=True)
class Asking:
    """One witness's conversation; belongs to one thread. What must survive it is in the database."""

    config: Config
    clock: Clock
    at: WitnessAt
    session: requests.Session = field(default_factory=requests.Session)
    failures: int = 0
    asked_mono_s: float = float("-inf")

    def __post_init__(self) -> None:
        self.session.trust_env = False  # no proxy and no .netrc out of somebody's environment
        self.session.verify = str(self.at.ca_file) if self.at.ca_file is not None else True

    def turn(self, db: Database) -> float:
        """Ask when there is something new; how long to wait until the next turn."""
        newest = checkpoints.latest(db)
        seen = anchors.newest(db, "witness", self.at.name)
        waited_s = self.clock.mono_s() - self.asked_mono_s
        if newest is None or (seen is not None and seen.size == newest.size) or waited_s < self.at.every_s:
            return LOOK_S
        self.asked_mono_s = self.clock.mono_s()
        answer = self.ask(db, newest)
        self._remember(db, newest, answer)
        if answer.state == "agrees":
            self.failures = 0
            return LOOK_S
        self.failures += 1
        longest_s = min(PAUSE_LONGEST_S, PAUSE_S * 2 ** min(self.failures, 10))
        return random.uniform(PAUSE_S, longest_s)  # noqa: S311 - spreads 5,700 boxes that come back at once

    def ask(self, db: Database, newest: Checkpoint) -> Answer:
        """Submit the checkpoint; when the witness remembers another size than we do, from that size on."""
        seen = anchors.newest(db, "witness", self.at.name)
        old = seen.size if seen is not None else 0
        try:
            for _ in range(ASKED_AGAIN):
                try:
                    return self._submit(db, newest, old)
                except _Conflict as other:
                    if other.size > newest.size:
                        here = merkle.size(db)  # more than was signed yet is not more than there is
                        if other.size > here:
                            return Answer("contradicts", message(anchors.OLDER, size=here, known=other.size))
                        return Answer("silent", message(STRANGE, status="409"))
                    if other.size == old:  # the size is the one we said, so it is the rows that differ
                        return Answer("contradicts", message(anchors.FORK, known=old))
                    old = other.size
            return Answer("silent", message(STRANGE, status="409"))
        except _Refused as no:
            return no.answer
        except requests.RequestException as cause:
            return Answer("silent", message(QUIET, cause=type(cause).__name__))

    def _submit(self, db: Database, newest: Checkpoint, old: int) -> Answer:
        proof = merkle.consistency(db, old, newest.size)
        if len(proof) > PROOF_LINES:
            raise ValueError("a consistency proof longer than any tree")
        lines = [f"old {old}", *(base64.b64encode(each).decode() for each in proof), "", newest.note]
        status, kind, said = self._post("\n".join(lines).encode())
        if status == 200:
            return Answer("agrees", note=self._cosigned(newest, said))
        if status == 409 and (size := SIZE.fullmatch(said)) and kind == "text/x.tlog.size":
            raise _Conflict(int(size[1]))
        if status == 422:  # the proof follows from our own tree, so it saw other rows
            raise _Refused("contradicts", message(anchors.FORK, known=old))
        if status in (403, 404):
            origin = identity.of(db).origin
            raise _Refused("refuses", message(STRANGER) if status == 403 else message(UNKNOWN, origin=origin))
        raise _Refused("silent", message(STRANGE, status=str(status)))

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        with self.session.post(
            self.at.url.rstrip("/") + "/add-checkpoint", data=body, timeout=TIMEOUT_S, stream=True,
            allow_redirects=False,
            headers={"Content-Type": "text/plain; charset=utf-8", "User-Agent": "examsite"},
        ) as answer:  # fmt: skip
            said = b""
            for piece in answer.iter_content(PIECE_BYTES):
                said += piece
                if len(said) > ANSWER_BYTES or self.clock.mono_s() - self.asked_mono_s > WHOLE_S:
                    raise _Refused("silent", message(FALSE, cause="it does not end"))
            kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return answer.status_code, kind, said

    def _cosigned(self, newest: Checkpoint, said: bytes) -> str:
        """The checkpoint with this witness's own line; lines of unknown keys are left out, as the protocol asks."""
        own = cosignatures.cosigner(self.at.key)
        text = newest.note.partition("\n\n")[0] + "\n"
        try:
            lines = notes.parse(f"{text}\n{said.decode()}").signatures
            good = [line for line in lines if own.seen_at(text, line) is not None]
        except (NoteError, UnicodeDecodeError) as bad:
            raise _Refused("silent", message(FALSE, cause=str(bad))) from bad
        if not good:
            raise _Refused("silent", message(FALSE, cause=f"no line by {own.name}"))
        return newest.note + good[0].line()

    def _remember(self, db: Database, newest: Checkpoint, answer: Answer) -> None:
        """The cosignature beside the checkpoint, and what changed since the last answer; no entry a minute, for each
        would need a signature of its own."""
        if answer.state == "contradicts" and answer.cause is not None:
            anchors.contradict(db, self.config, self.clock, KEEPER, self.at.name, answer.cause)
        before = known(db).get(self.at.name)
        with store.transaction(db):
            if answer.note is not None:
                anchors.note(db, self.clock, newest.size, "witness", self.at.name, text=answer.note)
            _save(db, self.clock, self.at.name, before, answer)
            changed = before is None or before.state != answer.state
            if changed and answer.state in ("silent", "refuses"):
                cause = answer.cause.as_json() if answer.cause else None
                journal.append(db, self.clock, "witness.lost", KEEPER, witness=self.at.name, cause=cause)
            elif changed and answer.state == "agrees":
                journal.append(db, self.clock, "witness.agreed", KEEPER, witness=self.at.name, size=newest.size)


def _save(db: Database, clock: Clock, name: str, before: Known | None, answer: Answer) -> None:
    now = iso(clock.now())
    since_at = before.since_at if before is not None and before.state == answer.state else now
    cause = json.dumps(answer.cause.as_json(), ensure_ascii=False) if answer.cause else None
    db.write(
        "insert into witness (name, state, since_at, asked_at, cause) values (:name, :state, :since, :now, :cause)"
        " on conflict (name) do update set state = :state, since_at = :since, asked_at = :now, cause = :cause",
        {"name": name, "state": answer.state, "since": since_at, "now": now, "cause": cause},
    )


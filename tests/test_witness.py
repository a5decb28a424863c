"""A witness elsewhere signs what continues and finds what does not; it is asked with care and believed by its key."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from appliance import (
    alarms,
    anchors,
    checkpoints,
    config,
    cosignatures,
    identity,
    journal,
    merkle,
    notes,
    store,
    witness,
)
from appliance.alive import Alive
from appliance.clock import FakeClock
from appliance.config import Config, ConfigError
from appliance.kinds import sentence
from appliance.model import Actor, Person, Role, message
from appliance.notes import NoteError
from appliance.store import Database
from appliance.witness_at import WitnessAt
from appliance.words import Words
from drivers.host import ClockFacts
from tests.fakes import seeded_site
from tests.fakes.witness import Answer, Witness, running

KEEPER = Actor.service("keeper")
HEAD = Person("ivanova", "Иванова Анна Викторовна", Role.HEAD, "ru")
START = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
# C2SP tlog-cosignature, the example of its page: the checkpoint, and the line of witness.example.com/w1
C2SP_TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"


@dataclass
class Site:
    config: Config
    db: Database
    clock: FakeClock
    asking: witness.Asking

    def grow(self, count: int = 1) -> None:
        """Entries, and a checkpoint over them."""
        for _ in range(count):
            self.clock.advance(20)
            with store.transaction(self.db):
                journal.append(self.db, self.clock, "box.alive", KEEPER)
        self.clock.advance(61)
        checkpoints.sign_due(self.db, self.config, self.clock)

    def turn(self) -> float:
        self.clock.advance(61)
        return self.asking.turn(self.db)

    @property
    def state(self) -> str:
        return witness.known(self.db)[self.asking.at.name].state

    def kinds(self, *names: str) -> list[journal.Entry]:
        return journal.entries(self.db, kinds=names, limit=1000)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Witness]:
    with running(Witness(tmp_path / "witness.json")) as found:
        yield found


def begin(folder: Path, elsewhere: Witness) -> Site:
    settings, clock = seeded_site.configure(folder), FakeClock(START)
    settings = replace(settings, witnesses=(WitnessAt(url=elsewhere.url, key=elsewhere.vkey),))
    db = store.open(settings.database, create=True)
    identity.begin(db, settings)
    return Site(settings, db, clock, witness.Asking(settings, clock, settings.witnesses[0]))


@pytest.fixture
def site(tmp_path: Path, elsewhere: Witness) -> Site:
    found = begin(tmp_path, elsewhere)
    elsewhere.enrol(identity.of(found.db).vkey)
    found.grow(3)
    return found


def test_each_checkpoint_is_signed_once_and_its_cosignature_kept_and_true(site: Site, elsewhere: Witness) -> None:
    for entries in (0, 1, 4, 9):
        site.grow(entries)
        site.turn()
        kept = anchors.newest(site.db, "witness", elsewhere.name)
        assert kept is not None
        assert kept.size == merkle.size(site.db) - (entries == 0)  # the first answer made an entry of its own
        note = notes.verify(str(kept.note), [notes.verifier(identity.of(site.db).vkey)])
        [cosigned] = note.signatures[1:]
        assert cosignatures.cosigner(elsewhere.vkey).seen_at(note.text, cosigned) == elsewhere.now
    asked = len(elsewhere.asked)
    site.turn()
    site.turn()
    assert len(elsewhere.asked) == asked  # nothing new: nothing is asked
    assert [e.kind for e in site.kinds("witness.agreed", "witness.lost", "anchor.contradicted")] == ["witness.agreed"]
    assert elsewhere.remembered()[identity.of(site.db).origin][0] == checkpoints.latest(site.db).size  # type: ignore[union-attr]


def test_a_sign_of_life_carries_the_newest_cosignature_and_is_covered_by_the_next(
    site: Site, elsewhere: Witness
) -> None:
    beating = Alive(60.0, lambda: ClockFacts(None))
    beating.tick(site.db, site.clock)
    site.turn()
    site.clock.advance(60)
    beating.tick(site.db, site.clock)
    before, after = (e.data for e in site.kinds("box.alive")[-2:])
    assert before == {}
    held = checkpoints.at_size(site.db, after["witnessed"]["size"])
    assert held is not None
    text = held.note.partition("\n\n")[0] + "\n"
    [line] = notes.parse(f"{text}\n{after['witnessed']['line']}\n").signatures
    assert cosignatures.cosigner(elsewhere.vkey).seen_at(text, line) == elsewhere.now


def test_only_the_checkpoint_and_hashes_leave(site: Site, elsewhere: Witness) -> None:
    with store.transaction(site.db):
        journal.append(site.db, site.clock, "signin.accepted", Actor.person(HEAD))
    site.grow(2)
    site.turn()
    site.grow(2)
    site.turn()
    for body in elsewhere.asked:
        head, _, rest = body.decode().partition("\n\n")
        assert all(len(base64.b64decode(line)) == 32 for line in head.split("\n")[1:])
        assert rest in {each.note for each in checkpoints.all(site.db)}
        assert "ivanova" not in body.decode()


def test_a_witness_that_remembers_more_finds_a_card_put_back(site: Site, elsewhere: Witness, tmp_path: Path) -> None:
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "image.db"),))
    site.grow(6)
    site.turn()
    remembered = elsewhere.remembered()[identity.of(site.db).origin][0]
    site = put_back(site, tmp_path)
    assert site.turn() >= witness.PAUSE_S
    assert site.state == "contradicts"
    [entry] = site.kinds("anchor.contradicted")
    assert entry.data["cause"]["args"]["known"] == remembered
    said = Words("en", site.config.site.zone).say(sentence(entry))
    assert "the journal is older than the mark remembers" in said
    [alarm] = alarms.board(site.db, site.config, site.clock.now()).alarms
    assert alarm.kind == "tamper"
    assert anchors.standing(site.db, site.config, site.clock.now()).state == "contradicted"
    site.grow(1)
    site.turn()  # still true, said once
    assert len(site.kinds("anchor.contradicted")) == 1
    site.grow(30)  # grown past what the witness remembers: other rows
    site.turn()
    causes = [e.data["cause"]["text"] for e in site.kinds("anchor.contradicted")]
    assert causes == [anchors.OLDER, anchors.FORK]


def test_a_card_put_back_and_grown_to_the_very_same_size_has_other_rows(
    site: Site, elsewhere: Witness, tmp_path: Path
) -> None:
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "image.db"),))
    site.grow(6)
    site.turn()
    remembered = elsewhere.remembered()[identity.of(site.db).origin][0]
    site = put_back(site, tmp_path)
    site.clock.advance(500)
    site.grow(6)
    assert merkle.size(site.db) == remembered
    site.turn()
    assert (site.state, site.kinds("anchor.contradicted")[0].data["cause"]["text"]) == ("contradicts", anchors.FORK)


def put_back(site: Site, tmp_path: Path) -> Site:
    """The card as it was when image.db was taken."""
    site.db.close()
    for leftover in ("-wal", "-shm"):
        site.config.database.with_name(site.config.database.name + leftover).unlink(missing_ok=True)
    shutil.copy(tmp_path / "image.db", site.config.database)
    return Site(site.config, store.open(site.config.database), site.clock,
                witness.Asking(site.config, site.clock, site.config.witnesses[0]))  # fmt: skip


def test_the_alarm_ends_when_the_head_has_accepted_an_explanation(site: Site, tmp_path: Path) -> None:
    site.turn()
    anchors.contradict(site.db, site.config, site.clock, KEEPER, "w", message(anchors.FORK, known=3))
    anchors.settle(site.db, site.config, site.clock)
    [alarm] = alarms.board(site.db, site.config, site.clock.now()).alarms
    assert alarm.restored_at is None
    [entry] = site.kinds("anchor.contradicted")
    journal.explain(site.db, site.clock, entry.seq, HEAD, "Карту меняли по акту № 4")
    journal.review(site.db, site.clock, entry.seq, HEAD, "accepted")
    anchors.settle(site.db, site.config, site.clock)
    [alarm] = alarms.board(site.db, site.config, site.clock.now()).alarms
    assert alarm.restored_at is not None
    assert anchors.contradiction(site.db) is None


def test_the_second_box_from_one_card_is_found(site: Site, elsewhere: Witness, tmp_path: Path) -> None:
    site.turn()
    (tmp_path / "clone").mkdir()
    clone = begin(tmp_path / "clone", elsewhere)
    clone.db.close()
    site.db.conn.execute("vacuum into ?", (str(tmp_path / "image.db"),))
    shutil.rmtree(clone.config.data / "keys")
    shutil.copytree(site.config.data / "keys", clone.config.data / "keys")
    clone = put_back(clone, tmp_path)
    site.grow(2)
    site.turn()
    clone.clock.advance(600)
    clone.grow(5)
    clone.turn()
    assert (site.state, clone.state) == ("agrees", "contradicts")
    assert clone.kinds("anchor.contradicted")[0].data["cause"]["text"] == anchors.FORK


def test_a_journal_begun_anew_is_not_known_until_it_is_enrolled(site: Site, elsewhere: Witness, tmp_path: Path) -> None:
    site.turn()
    site.db.close()
    for file in site.config.data.glob("examsite.db*"):
        file.unlink()
    fresh = Site(site.config, store.open(site.config.database, create=True), site.clock, site.asking)
    identity.begin(fresh.db, site.config)
    fresh.grow(2)
    fresh.turn()
    assert fresh.state == "refuses"
    [entry] = fresh.kinds("witness.lost")
    assert entry.data["cause"]["args"]["origin"].endswith("/2")  # the second epoch
    elsewhere.enrol(identity.of(fresh.db).vkey)
    fresh.clock.advance(4000)
    fresh.turn()
    assert (fresh.state, [e.kind for e in fresh.kinds("witness.lost", "witness.agreed")]) == (
        "agrees", ["witness.lost", "witness.agreed"])  # fmt: skip


def test_a_forgotten_cosignature_is_asked_for_from_the_size_the_witness_tells(site: Site, elsewhere: Witness) -> None:
    site.turn()
    with store.transaction(site.db):
        site.db.conn.execute("delete from anchor")  # a power cut between the answer and the row
    site.grow(3)
    site.turn()
    assert (site.state, [body.split(b"\n")[0] for body in elsewhere.asked[-2:]]) == ("agrees", [b"old 0", b"old 3"])


BAD = {
    "busy": Answer(503),
    "redirects": Answer(307, location="/log/add-checkpoint"),
    "says nothing": Answer(200, b""),
    "is no note": Answer(200, b"thank you\n"),
    "signs with another key": Answer(200, "\u2014 w9 AQIDBAAA\n".encode()),
    "says too much": Answer(200, b"x" * 100_000),
    "conflicts in words": Answer(409, b"three\n", "text/x.tlog.size"),
    "conflicts untyped": Answer(409, b"3\n", "text/html"),
    "knows another key": Answer(403),
}


@pytest.mark.parametrize("how", BAD)
def test_a_witness_that_does_not_sign_is_told_once_and_asked_ever_less_often(
    site: Site, elsewhere: Witness, how: str
) -> None:
    elsewhere.faults = [BAD[how]] * 6
    pauses = [site.turn() for _ in range(6)]
    assert all(witness.PAUSE_S <= pause <= witness.PAUSE_LONGEST_S for pause in pauses)
    assert site.state == ("refuses" if how == "knows another key" else "silent")
    assert anchors.newest(site.db) is None
    assert len(site.kinds("witness.lost")) == 1
    site.turn()
    assert site.state == "agrees"


def test_a_witness_is_asked_no_more_often_than_configured(site: Site, elsewhere: Witness) -> None:
    site.turn()
    with store.transaction(site.db):
        journal.append(site.db, site.clock, "signin.accepted", Actor.person(HEAD))
    checkpoints.sign_due(site.db, site.config, site.clock)  # at once: a person did something
    for _ in range(5):
        site.clock.advance(11)
        site.asking.turn(site.db)
    assert len(elsewhere.asked) == 1
    site.clock.advance(5)
    site.asking.turn(site.db)
    assert len(elsewhere.asked) == 2


def test_an_answer_beyond_all_measure_is_not_read(site: Site, elsewhere: Witness) -> None:
    elsewhere.strangers, elsewhere.strangers_bytes = 95, 200  # each line is a good one, together they are too long
    site.turn()
    assert (site.state, anchors.newest(site.db)) == ("silent", None)


def test_a_false_cosignature_is_not_kept(site: Site, elsewhere: Witness) -> None:
    right = elsewhere.vkey
    elsewhere.key = Witness(elsewhere.store).key  # somebody in between who answers with a key of their own
    line = elsewhere._cosign("examsite/x\n3\n").decode().split("\n")[1].split(" ")
    raw = base64.b64decode(line[2])
    forged = base64.b64encode(bytes.fromhex(right.split("+")[1]) + raw[4:]).decode()
    elsewhere.faults = [Answer(200, f"\u2014 {elsewhere.name} {forged}\n".encode())]
    site.turn()
    assert (site.state, anchors.newest(site.db)) == ("silent", None)


def test_an_answer_that_drips_is_given_up(site: Site, elsewhere: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "WHOLE_S", -1.0)  # the time is over before the first piece came
    site.turn()
    assert (site.state, anchors.newest(site.db)) == ("silent", None)


def test_a_witness_of_the_regions_own_authority_is_checked_by_that(site: Site, tmp_path: Path) -> None:
    asking = witness.Asking(site.config, site.clock, replace_at(site, ca_file=tmp_path / "region.pem"))
    assert asking.session.verify == str(tmp_path / "region.pem")
    assert site.asking.session.verify is True


def replace_at(site: Site, **changed: object) -> WitnessAt:
    return site.config.witnesses[0].model_copy(update=changed)


def test_a_witness_that_is_not_there_holds_nobody_up(site: Site) -> None:
    gone = WitnessAt(url="http://127.0.0.1:9/log", key=site.config.witnesses[0].key)
    site.asking = witness.Asking(site.config, site.clock, gone)
    site.turn()
    assert site.state == "silent"


def test_the_thread_asks_by_itself_and_ends(site: Site, elsewhere: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(witness, "LOOK_S", 0.01)
    stop = threading.Event()
    [thread] = witness.start(site.config, site.clock, stop)
    until = time.monotonic() + 30
    while not elsewhere.remembered() and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    thread.join(30)
    assert elsewhere.remembered()
    assert not thread.is_alive()


def test_without_a_witness_nothing_is_asked(tmp_path: Path) -> None:
    assert witness.start(seeded_site.configure(tmp_path), FakeClock(START), threading.Event()) == []


@pytest.mark.parametrize("url", ["ftp://w/", "w.example", "https://me:secret@w.example/"])
def test_a_witness_is_configured_by_address_and_key(tmp_path: Path, elsewhere: Witness, url: str) -> None:
    site = seeded_site.configure(tmp_path).source
    plain = site.read_text(encoding="utf-8")
    site.write_text(f'{plain}\n[[witness]]\nurl = "{elsewhere.url}"\nkey = "{elsewhere.vkey}"\n', encoding="utf-8")
    [found] = config.load(site).witnesses
    assert (found.name, found.every_s, found.ca_file) == ("witness.example/w1", 60, None)
    site.write_text(site.read_text(encoding="utf-8") + 'ca_file = "region.pem"\n', encoding="utf-8")
    assert config.load(site).witnesses[0].ca_file == tmp_path / "region.pem"
    for wrong in (f'url = "{url}"\nkey = "{elsewhere.vkey}"', f'url = "https://w/"\nkey = "{elsewhere.vkey[:-4]}"'):
        site.write_text(f"{plain}\n[[witness]]\n{wrong}\n", encoding="utf-8")
        with pytest.raises(ConfigError, match="witness"):
            config.load(site)


def test_the_published_example_of_a_cosignature_has_the_form_we_read() -> None:
    line = ("\u2014 witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZ"
            "qhf5nNo0xUe+mbIUBkBIfZ+qnA==\n")  # fmt: skip
    [signature] = notes.parse(f"{C2SP_TEXT}\n{line}").signatures
    assert int.from_bytes(signature.signed[:8], "big") == 1679315147
    assert cosignatures.signed(C2SP_TEXT, 1679315147).decode() == f"cosignature/v1\ntime 1679315147\n{C2SP_TEXT}"


def test_a_cosignature_is_that_texts_and_that_keys_alone(tmp_path: Path) -> None:
    elsewhere = Witness(tmp_path / "w.json")
    own = cosignatures.cosigner(elsewhere.vkey)
    assert own.vkey == elsewhere.vkey
    line = elsewhere._cosign(C2SP_TEXT).decode().split("\n")[1]
    [good] = notes.parse(f"{C2SP_TEXT}\n{line}\n").signatures
    assert own.seen_at(C2SP_TEXT, good) == elsewhere.now
    for spoiled in (good.signed[:-1], good.signed[:-1] + bytes([good.signed[-1] ^ 1]), b"\xff" + good.signed[1:],
                    (elsewhere.now + 1).to_bytes(8, "big") + good.signed[8:]):  # fmt: skip
        with pytest.raises(NoteError):
            own.seen_at(C2SP_TEXT, replace(good, signed=spoiled))
    with pytest.raises(NoteError):
        own.seen_at(C2SP_TEXT.replace("63\n", "64\n"), good)
    assert own.seen_at(C2SP_TEXT, replace(good, name="other")) is None


def test_a_key_that_is_no_witnesses_is_refused(site: Site, elsewhere: Witness) -> None:
    name, number, typed = elsewhere.vkey.split("+", 2)
    wrong = {
        identity.of(site.db).vkey: "type 0x04",  # the journal's own key
        f"{name}+{int(number, 16) ^ 1:08x}+{typed}": "the id it states",
        f"{name}+{number}+{typed[:-4]}": "NAME[+]ID[+]KEY",
        f"{name}+{number}+%%": "base64",
        f"w e+{number}+{typed}": "NAME[+]ID[+]KEY",
    }
    for key, said in wrong.items():
        with pytest.raises(NoteError, match=said):
            cosignatures.cosigner(key)


def test_a_witness_told_a_wrong_old_size_or_a_wrong_proof_does_not_sign(site: Site, elsewhere: Witness) -> None:
    """The witness itself: strict, or what it finds would prove nothing."""
    site.turn()
    site.grow(4)
    newest = checkpoints.latest(site.db)
    assert newest is not None
    proof = [base64.b64encode(each).decode() for each in merkle.consistency(site.db, 3, newest.size)]
    asked = {
        "old 2": 409, f"old {newest.size + 1}": 400, "old 03": 400, "old 3": 422, "\n".join(["old 3", *proof]): 200,
    }  # fmt: skip
    for head, status in asked.items():
        try:
            elsewhere.add_checkpoint(f"{head}\n\n{newest.note}".encode())
            found = 200
        except Answer as said:
            found = said.status
        assert (head, found) == (head, status)
    assert json.loads(elsewhere.store.read_text())[identity.of(site.db).origin][0] == newest.size


def test_a_contradiction_of_yesterday_still_stands(site: Site) -> None:
    anchors.contradict(site.db, site.config, site.clock, KEEPER, "w", message(anchors.FORK, known=3))
    later = site.clock.now() + timedelta(days=1)
    found = anchors.standing(site.db, site.config, later)
    assert (found.state, found.contradiction is not None) == ("contradicted", True)

-- The one database. Each table is written by one module, named above it (invariant I4, held by tests/test_house.py).
-- Instants are UTC text, ISO-8601 with microseconds and Z, so that they sort as text.

-- identity.py: which box and which journal this is, and how good its clock was when last looked at. One row
create table box (
  id     integer primary key check (id = 1),
  box    text not null check (length(box) = 16),             -- for ever this box's; hex
  epoch  integer not null check (epoch >= 1),                -- how many journals this box has begun
  zone   text not null default 'UTC',                        -- the site's, as the configuration names it
  origin text not null default '',                           -- the journal's name in its checkpoints
  vkey   text not null default '',                           -- its public key (C2SP signed-note)
  clock_state     text not null default 'unknown' check (clock_state in ('synchronised', 'free', 'unknown')),
  clock_offset_ms integer,                                   -- box minus time source
  clock_boot      text,
  clock_mono_ms   integer
) strict;
insert into box (id, box, epoch) values (1, lower(hex(randomblob(8))), 1);

-- journal.py: rows are RFC 8785 bytes exactly as hashed; every other column is read out of them. docs/journal.md
create table journal (
  seq  integer primary key,
  hash text not null check (length(hash) = 64),              -- SHA-256 of row
  row  text not null,
  -- json_valid: a damaged row must not stop the others from being read
  at   text generated always as (case when json_valid(row) then json_extract(row, '$.at') end) virtual,
  kind text generated always as (case when json_valid(row) then json_extract(row, '$.kind') end) virtual,
  exam text generated always as (case when json_valid(row) then json_extract(row, '$.exam') end) virtual,
  room text generated always as (case when json_valid(row) then json_extract(row, '$.room') end) virtual,
  ref  integer generated always as (case when json_valid(row) then json_extract(row, '$.refs[0]') end) virtual,   -- the entry this one answers
  waits text generated always as (case when json_valid(row) then json_extract(row, '$.data.waits') end) virtual   -- what a person still owes it
) strict;
create index journal_kind on journal (kind, seq);
create index journal_ref on journal (ref) where ref is not null;
create index journal_waits on journal (seq) where waits is not null;
create index journal_told on journal (seq) where kind is not 'box.alive' and kind is not 'video.minute';   -- pages read past these
create trigger journal_never_updated before update on journal begin select raise(abort, 'the journal is only added to'); end;
create trigger journal_never_deleted before delete on journal begin select raise(abort, 'the journal is only added to'); end;
create trigger journal_without_holes before insert on journal
  when new.seq is not (select coalesce(max(seq), 0) + 1 from journal)
  begin select raise(abort, 'a journal entry out of order'); end;
create trigger journal_in_a_chain before insert on journal
  when json_extract(new.row, '$.seq') is not new.seq
    or json_extract(new.row, '$.prev') is not coalesce((select hash from journal where seq = new.seq - 1), printf('%064d', 0))
  begin select raise(abort, 'a journal entry that does not follow the one before'); end;

-- personal.py: what the commitments of journal rows stand for; erased by law, and only with an entry that says so
create table journal_personal (
  seq   integer not null references journal (seq),
  path  text not null,                                       -- RFC 6901 pointer into the row: /actor/name
  salt  blob not null check (length(salt) = 32),
  value text not null,                                       -- NFC
  primary key (seq, path)
) strict, without rowid;
create index journal_personal_value on journal_personal (value, seq);

-- merkle.py: the RFC 6962 hash of every full subtree over the journal's rows; level 0 are the leaves
create table journal_node (
  level integer not null,
  idx   integer not null,                                    -- covers rows idx * 2^level + 1 .. (idx + 1) * 2^level
  hash  blob not null check (length(hash) = 32),
  primary key (level, idx)
) strict, without rowid;
create trigger journal_node_never_updated before update on journal_node begin select raise(abort, 'the tree is only added to'); end;
create trigger journal_node_never_deleted before delete on journal_node begin select raise(abort, 'the tree is only added to'); end;

-- checkpoints.py: what was signed over the journal. docs/journal-checkpoints.md
create table checkpoint (
  size integer primary key check (size > 0),                 -- covers entries 1 .. size
  root blob not null check (length(root) = 32),
  note text not null,                                        -- the C2SP signed note, as signed
  at   text not null check (at like '%Z'),
  why  text not null check (why in ('person', 'time', 'start', 'asked'))
) strict;
create trigger checkpoint_never_updated before update on checkpoint begin select raise(abort, 'a signed checkpoint stands'); end;
create trigger checkpoint_never_deleted before delete on checkpoint begin select raise(abort, 'a signed checkpoint stands'); end;
create trigger checkpoint_in_order before insert on checkpoint
  when new.size <= (select coalesce(max(size), 0) from checkpoint)
  begin select raise(abort, 'a checkpoint over less than the one before'); end;

-- anchors.py: every checkpoint that left the box, and where to. docs/journal-witness.md
create table anchor (
  id       integer primary key,
  size     integer not null check (size > 0),                -- of the checkpoint
  kind     text not null check (kind in ('print', 'export', 'stick', 'witness', 'copied')),
  at       text not null check (at like '%Z'),
  place    text not null,                                    -- the medium, the witness, what was printed
  by_login text not null default '',
  note     text                                              -- of a witness: the checkpoint with its cosignature
) strict;
create index anchor_newest on anchor (size, at);
create index anchor_place on anchor (kind, place, size);

-- witness.py: how each witness of the configuration answered last. One row a witness
create table witness (
  name     text primary key,                                 -- the name in its key
  state    text not null check (state in ('agrees', 'silent', 'refuses', 'contradicts')),
  since_at text not null check (since_at like '%Z'),
  asked_at text not null check (asked_at like '%Z'),
  cause    text check (cause is null or json_valid(cause))   -- Message
) strict;

-- binding.py: the leaves of each minute's root, in their order: which recordings which entry video.minute speaks of
create table bound (
  entry      integer not null references journal (seq),
  place      integer not null check (place >= 0),
  segment    integer not null unique,                        -- nothing is entered twice
  camera     text not null,
  path       text not null unique,
  size_bytes integer not null,
  sha256     text not null check (length(sha256) = 64),
  primary key (entry, place)
) strict, without rowid;

-- journal_search.py: what each entry can be found by, as stems and filters; made from the journal and made anew from it
create virtual table journal_text using fts5(text, tokenize = 'ascii', detail = none, columnsize = 0, prefix = '2 3 4 5');
create table journal_text_to (                               -- how far it knows the journal. One row
  one      integer primary key check (one = 1),
  seq      integer not null,
  pressing integer not null default 0 check (pressing in (0, 1, 2))   -- 1, 2: erased words still lie in its pages
) strict;
create table journal_text_again (                            -- entries of which a personal value was erased
  seq integer primary key
) strict;
create trigger journal_text_erased after delete on journal_personal begin
  delete from journal_text where rowid = old.seq;            -- so nobody finds an erased name, not even for a moment
  insert or ignore into journal_text_again (seq) values (old.seq);
end;

-- journal_reading.py: up to which entry somebody has read
create table journal_seen (
  login text primary key,
  seq   integer not null,
  at    text not null check (at like '%Z')
) strict;

-- accounts.py: nobody is deleted, only disabled
create table person (
  login         text primary key,
  name          text not null,
  role          text not null check (role in ('technician', 'head', 'security', 'exporter', 'admin')),
  language      text not null check (language in ('ru', 'en')),
  password_hash text not null check (password_hash like '$argon2id$%'),
  created_at    text not null check (created_at like '%Z'),
  disabled_at   text check (disabled_at like '%Z')
) strict;
-- A lawful erasure gives a disabled person another login (erasure.py); whatever names them goes along
create trigger person_renamed after update of login on person begin
  update orders set key = new.login || substr(key, length(old.login) + 1) where key glob old.login || ':*';
  update orders set asked_by = new.login where asked_by = old.login;
  update orders set agreed_by = new.login where agreed_by = old.login;
  update anchor set by_login = new.login where by_login = old.login;
  update journal_seen set login = new.login where login = old.login;
  update taken_camera set taken_by = new.login where taken_by = old.login;
  update check_run set asked_by = new.login where asked_by = old.login;
  update alarm set acknowledged_by = new.login where acknowledged_by = old.login;
  update aside set by_login = new.login where by_login = old.login;
  update aside set ended_by = new.login where ended_by = old.login;
  update maintenance set by_login = new.login where by_login = old.login;
  update maintenance set ended_by = new.login where ended_by = old.login;
  update badge set label = new.login where login in (old.login, new.login);
  update passkey set label = new.login where login in (old.login, new.login);
end;
create table web_session (
  token_hash text primary key,                               -- SHA-256 of the cookie's token: the table alone signs nobody in
  login      text not null references person (login) on update cascade,
  created_at text not null check (created_at like '%Z'),
  seen_at    text not null check (seen_at like '%Z'),
  ended_at   text check (ended_at like '%Z')
) strict;
create table signin_failure (                                -- per login and per address, survives a restart
  subject   text primary key,                                -- 'login:orlov' or 'address:192.0.2.7'
  failures  integer not null,
  last_at   text not null check (last_at like '%Z'),
  locked_until text check (locked_until like '%Z')
) strict;

-- exams.py: what is planned. A moved exam gets a new revision, a cancelled one keeps its row
create table exam (
  id        text primary key,
  title     text not null,
  starts_at text not null check (starts_at like '%Z'),
  ends_at   text not null check (ends_at like '%Z'),
  rooms     text not null default '[]' check (json_valid(rooms)),   -- room codes; empty: every room of the site
  revision  integer not null default 1,
  state     text not null default 'planned' check (state in ('planned', 'cancelled', 'closed')),
  sealed_at text check (sealed_at like '%Z'),
  check (ends_at > starts_at)
) strict;
create table moment (                                        -- what must happen once for an exam with this start
  exam       text not null references exam (id),
  kind       text not null check (kind in ('checks', 'seal')),
  starts_at  text not null check (starts_at like '%Z'),      -- a moved exam has its moments again, one moved back has not
  due_at     text not null check (due_at like '%Z'),
  claimed_at text check (claimed_at like '%Z'),              -- somebody is at it; released when that process is gone
  done_at    text check (done_at like '%Z'),
  result     text check (result is null or json_valid(result)),   -- SQLite 3.40 says json_valid(null) = 0
  lived_ms   integer not null default 0,                     -- seal: time the box itself counted since the first window
  boot       text,                                           -- seal: boot and monotonic time of the last count
  mono_ms    integer,
  primary key (exam, kind, starts_at)
) strict;

-- orders.py: what people ask of a worker
create table orders (
  id          integer primary key,
  kind        text not null,                                 -- 'export', 'checks'
  args        text not null check (json_valid(args)),
  state       text not null check (state in ('waits', 'placed', 'claimed', 'done', 'failed', 'refused', 'cancelled')),
  key         text unique,                                   -- the form's own key: a second press of the same form is the same order
  asked_by    text not null,
  asked_at    text not null check (asked_at like '%Z'),
  agreed_by   text,                                          -- for kinds that need a second person
  agreed_at   text check (agreed_at like '%Z'),
  claimed_at  text check (claimed_at like '%Z'),
  finished_at text check (finished_at like '%Z'),
  progress    text not null default '{}' check (json_valid(progress)),
  result      text check (result is null or json_valid(result))
) strict;
create index orders_open on orders (kind, state);

-- health.py: one row a service
create table heartbeat (
  service    text primary key,
  pid        integer not null,
  boot       text not null,
  started_at text not null check (started_at like '%Z'),
  beat_at    text not null check (beat_at like '%Z'),
  note       text not null default '{}' check (json_valid(note))
) strict;

-- cameras.py: what each camera is doing now, for the pages
create table camera_state (
  camera        text primary key,
  state         text not null check (state in ('idle', 'connecting', 'recording', 'reconnecting', 'refused', 'stopped')),
  since_at      text not null check (since_at like '%Z'),
  cause         text,
  last_frame_at text check (last_frame_at like '%Z'),
  safe_until_at text check (safe_until_at like '%Z'),        -- on disk up to here, since the last fdatasync
  clock_offset_s real,                                       -- camera minus box, when last asked
  clock_asked_at text check (clock_asked_at like '%Z')
) strict;

-- cameras.py: what the second stream of a camera is doing, where both are recorded
create table second_stream (
  camera        text primary key,
  state         text not null check (state in ('idle', 'connecting', 'recording', 'reconnecting', 'refused', 'stopped')),
  since_at      text not null check (since_at like '%Z'),
  cause         text,
  last_frame_at text check (last_frame_at like '%Z')
) strict;

-- taken.py: cameras that people took in, and what differs of those of the file (of_file: another address, a sealed password)
create table taken_camera (
  id          text primary key,
  of_file     integer not null check (of_file in (0, 1)),
  name_ru     text,
  name_en     text,
  room        text,
  onvif       text,                                          -- its device service; null: as the file says
  user        text,
  secret      blob,                                          -- its password, sealed to this box (sealed.py)
  secret_next blob,                                          -- one being set: which of the two it takes is not proven yet
  sound       integer not null default 0 check (sound in (0, 1)),
  both_streams integer not null default 0 check (both_streams in (0, 1)),
  endpoint    text,                                          -- what it calls itself in discovery, whatever its address
  serial      text,
  mac         text,
  taken_at    text check (taken_at like '%Z'),
  taken_by    text,
  aside_at    text check (aside_at like '%Z'),               -- set aside; thirty days to bring it back
  check (of_file = 1 or (name_ru is not null and name_en is not null and room is not null and onvif is not null
                         and taken_at is not null))
) strict;

-- found.py: cameras somebody searched for lately, and how they answered
create table found_camera (
  number   integer primary key,                              -- the order they were found in; it stays
  endpoint text not null unique,                             -- or, of one asked by its address, that address
  url      text not null,
  address  text not null,
  name     text not null default '',
  state    text not null check (state in ('found', 'asking', 'answers', 'strange', 'asks', 'refused', 'silent', 'foreign')),
  told     text not null default '{}' check (json_valid(told)),  -- maker, model, serial, streams, what it did wrong
  user     text,
  secret   blob,                                             -- the password that let us in, sealed
  picture  integer not null default 0 check (picture in (0, 1)),
  seen_at  text not null check (seen_at like '%Z')
) strict;

-- camera_told.py: the last whole reading of each camera, for its page
create table camera_told (
  camera  text primary key,
  value   text not null check (json_valid(value)),
  read_at text not null check (read_at like '%Z')
) strict;

-- archive.py: one finished recording of one camera. Typically 60 s; never over 5 min
create table segment (
  id         integer primary key,
  camera     text not null,
  run        text not null,                                  -- one ffmpeg start; names never collide
  stream     text not null default 'main' check (stream in ('main', 'second')),    -- coverage speaks of main alone
  medium     text not null default 'main' check (medium in ('main', 'reserve')),   -- which recording disk it lies on
  path       text not null unique,                           -- below that disk's video folder
  starts_at  text not null check (starts_at like '%Z'),      -- first frame, the box's clock
  ends_at    text not null check (ends_at like '%Z'),        -- end of the last frame
  frames     integer not null check (frames > 0),
  size_bytes integer not null check (size_bytes > 0),
  sha256     text not null check (length(sha256) = 64),
  video      text not null,                                  -- h264, hevc
  audio      text,                                           -- aac or null
  repaired   integer not null default 0 check (repaired in (0, 1)),   -- 1: cut back to its last whole fragment after a crash
  holes      text not null default '[]' check (json_valid(holes)),   -- [from, to] inside the file without a frame
  held       integer not null default 0 check (held in (0, 1)),       -- 1: a person holds it, retention may not touch it
  retired    integer,                                        -- journal entry by which its file was deleted; the facts stay
  last_frame_at text check (last_frame_at like '%Z'),        -- the last frame begins, the box's clock
  derived    text not null default 'arrival' check (derived in ('arrival', 'rtcp', 'file')),   -- segment_clock.py
  camera_offset_ms integer,                                  -- the camera's clock minus the box's; null: not known
  box_clock  text not null default 'unknown' check (box_clock in ('synchronised', 'free', 'unknown')),
  step_ms    integer not null default 0,                     -- the box's clock was set by so much during it
  check (ends_at > starts_at)
) strict;
create index segment_time on segment (camera, starts_at);

-- media.py: the disks recordings go to, as whoever looked at them last saw them
create table medium (
  name     text primary key check (name in ('main', 'reserve')),
  mark     text,                                             -- what the file .examsite-medium on it must say: that it is the one
  state    text not null check (state in ('well', 'full', 'failing', 'missing')),
  since_at text not null check (since_at like '%Z'),
  cause    text,                                             -- what the disk said
  entry    integer                                           -- the journal entry of this state
) strict;

-- coverage.py: outage is evidence by the recorder; gap is the verdict over a required window
create table outage (
  id       integer primary key,
  camera   text not null,
  began_at text not null check (began_at like '%Z'),
  ended_at text check (ended_at like '%Z'),
  cause    text not null                                     -- docs/recording.md lists the causes
) strict;
create index outage_time on outage (camera, began_at);
create table gap (
  exam      text not null,
  camera    text not null,
  starts_at text not null check (starts_at like '%Z'),
  ends_at   text not null check (ends_at like '%Z'),
  cause     text not null,
  entry     integer,                                         -- the journal entry that belongs to it
  primary key (exam, camera, starts_at)
) strict;

-- gap_alarms.py: what was said of a room that is not recorded, so that it is said once
create table gap_alarm (
  id         integer primary key,
  exam       text not null,
  room       text not null,
  starts_at  text not null check (starts_at like '%Z'),
  ends_at    text check (ends_at like '%Z'),                 -- null while it goes on
  alarmed_at text not null check (alarmed_at like '%Z'),
  critical_at text check (critical_at like '%Z'),
  restored_at text check (restored_at like '%Z'),
  unique (exam, room, starts_at)
) strict;
create index gap_alarm_open on gap_alarm (exam) where restored_at is null;

-- live_view.py: cameras somebody wants to see now. Lapses by itself when nobody renews it
create table live_wish (
  camera   text primary key,
  asked_at text not null check (asked_at like '%Z'),         -- since when: the first who asked go first
  until_at text not null check (until_at like '%Z'),
  cause    text                                              -- why there is no picture; one of gap_causes.CAUSES
) strict;

-- picture_watch.py: the view a person approved, and what is wrong with each camera's picture now
create table approved_view (
  camera      text primary key,
  jpeg        blob not null,
  approved_at text not null check (approved_at like '%Z'),
  approved_by text not null
) strict;

-- checks/results.py
create table check_run (
  id          integer primary key,
  exam        text,
  asked_by    text not null,                                 -- 'schedule', a login, or 'command'
  started_at  text not null check (started_at like '%Z'),
  finished_at text check (finished_at like '%Z')
) strict;
create table check_result (
  run        integer not null references check_run (id),
  item       text not null,                                  -- 'camera.answers/entrance'
  verdict    text not null check (verdict in ('passed', 'remark', 'failed', 'silent', 'broke')),
  found      text not null check (json_valid(found)),        -- Message: what was seen
  remedy     text check (remedy is null or json_valid(remedy)),   -- Message: what to do
  facts      text not null check (json_valid(facts)),
  at         text not null check (at like '%Z'),
  primary key (run, item)
) strict;

-- links.py: the lines to the panels
create table panel_link (
  panel    text primary key,
  state    text not null check (state in ('heard', 'silent', 'unplugged', 'starting', 'passive')),
  since_at text not null check (since_at like '%Z'),
  heard_at text check (heard_at like '%Z'),
  detail   text
) strict;
-- alarms.py
create table event (
  id      integer primary key,                               -- the only order of events
  at      text not null check (at like '%Z'),
  panel   text not null,
  kind    text not null,
  state   text not null check (state in ('active', 'restored', 'info')),
  zone    text,
  partition text,
  user    text,
  account text,
  code    text not null default '',
  text    text not null default '',
  panel_time text,
  raw     text not null,                                     -- hex
  flags   text not null default '[]' check (json_valid(flags)),
  repeats integer not null default 0,                        -- how often the panel said it again, unheard
  repeated_at text check (repeated_at like '%Z')
) strict;
create index event_panel on event (panel, id);
create table zone (                                          -- what we last heard of each place
  panel   text not null,
  key     text not null,                                     -- class family, partition and zone: what pairs an alarm with its end
  kind    text not null,
  active  integer not null check (active in (0, 1)),
  since_at text not null check (since_at like '%Z'),
  event   integer not null references event (id),
  primary key (panel, key)
) strict;
create table alarm (
  id         integer primary key,
  panel      text not null,
  key        text not null,
  kind       text not null,
  zone       text,
  raised_at  text not null check (raised_at like '%Z'),
  restored_at text check (restored_at like '%Z'),
  acknowledged_at text check (acknowledged_at like '%Z'),
  acknowledged_by text,
  comment    text,
  count      integer not null default 1,
  version    integer not null default 1,                     -- a press names the version it saw
  event      integer references event (id),
  entry      integer,                                        -- its journal entry
  test       text check (test in ('site', 'panel')),         -- raised in test mode; it becomes null when that is over before the alarm is
  asked_at   text check (asked_at like '%Z')                 -- acknowledged and still there: when it last asked again
) strict;
create index alarm_open on alarm (restored_at, acknowledged_at);
create index alarm_raised on alarm (raised_at);

-- shelving.py: places that do not call for a while. An ended row stays
create table aside (
  id       integer primary key,
  panel    text not null,
  key      text not null,                                    -- as in alarm
  how      text not null check (how in ('shelved', 'out')),
  alarm    integer not null references alarm (id),           -- the one that was looked at
  since_at text not null check (since_at like '%Z'),
  until_at text check (until_at like '%Z'),                  -- null: out of service until somebody puts it back
  reason   text not null check (reason <> ''),
  by_login text not null,
  ended_at text check (ended_at like '%Z'),
  ended_by text,                                             -- null: its time was over
  entry    integer not null,
  check ((how = 'shelved') = (until_at is not null))
) strict;
create index aside_open on aside (panel, key) where ended_at is null;

-- maintenance.py: test mode of a panel or a zone. An ended row stays
create table maintenance (
  id        integer primary key,
  panel     text not null,
  zone      text,                                            -- null: the whole panel
  account   text,
  partition text,
  since_at  text not null check (since_at like '%Z'),
  until_at  text not null check (until_at like '%Z'),
  reason    text not null check (reason <> ''),
  by_login  text not null,
  ended_at  text check (ended_at like '%Z'),
  ended_by  text,
  entry     integer not null
) strict;
create index maintenance_open on maintenance (until_at) where ended_at is null;

-- arming.py: armed or disarmed, an axis of its own. '' stands for what the panel did not say
create table arming (
  panel     text not null,
  account   text not null,
  partition text not null,
  zone      text not null,
  state     text not null check (state in ('armed', 'disarmed')),
  since_at  text not null check (since_at like '%Z'),
  user      text,                                            -- number of a user's place in the panel
  event     integer not null references event (id),
  failed_at text check (failed_at like '%Z'),                -- it could not be armed
  primary key (panel, account, partition, zone)
) strict;

-- plans.py: the building's floors as pictures, and where zones and cameras are on them
create table plan (
  id         integer primary key,
  title      text not null unique,
  level      integer not null,                               -- the order of the floors, from below
  media      text not null check (media in ('image/svg+xml', 'image/png', 'image/jpeg')),
  width      real not null check (width > 0),                -- with height: the picture's shape
  height     real not null check (height > 0),
  picture    blob not null,                                  -- made anew by drawings.py, never as it was uploaded
  sha256     text not null check (length(sha256) = 64),
  changed_at text not null check (changed_at like '%Z')
) strict;
create table place (
  floor   integer not null references plan (id),
  sort    text not null check (sort in ('zone', 'camera')),
  subject text not null,                                     -- camera id, or panel|account|partition|number
  x       real not null check (x between 0 and 1),           -- shares of the picture's width and height
  y       real not null check (y between 0 and 1),
  primary key (sort, subject)                                -- a thing is in one place
) strict;

-- acts.py: what people did at the equipment, one row an entry that states it. Every row follows from the journal's
-- access.* entries (acts.rebuild makes it anew). No name is in here: names are read from the journal, where they can be erased
create table act (
  seq          integer primary key references journal (seq), -- the entry that states it
  action       text not null,                                -- id of [[journal.action]] when it was written
  exam         text,
  covers       text not null check (json_valid(covers)),     -- every room of the range, by code
  started_at   text not null check (started_at like '%Z'),
  ended_at     text check (ended_at like '%Z'),              -- null: it goes on
  ended        integer references journal (seq),             -- the entry that ended it, when that was another
  state        text not null check (state in ('open', 'waits', 'confirmed', 'declined')),
  answered     integer references journal (seq),             -- what the responsible person said
  corrects     integer references act (seq),
  corrected_by integer                                       -- the act that stands in its place
) strict;
create index act_open on act (state, seq);
create index act_exam on act (exam, seq);
create index act_started on act (started_at);

-- access.py: forms that were sent already, so that a second press writes nothing
create table act_key (
  key text primary key,                                      -- hash of form, person and the form's own key
  seq integer not null references journal (seq)
) strict;

-- badges.py: cards and keys that a USB reader types
create table badge (
  id         integer primary key,
  login      text not null references person (login) on update cascade,
  token_hash text not null check (length(token_hash) = 64),  -- HMAC-SHA256 under a key of this box: the table alone opens nothing
  label      text not null,
  added_at   text not null check (added_at like '%Z'),
  revoked_at text check (revoked_at like '%Z')
) strict;
create unique index badge_once on badge (token_hash) where revoked_at is null;

-- passkeys.py: FIDO2 keys, and the questions they were asked that are not answered yet
create table passkey (
  id            integer primary key,
  login         text not null references person (login) on update cascade,
  rp            text not null,                               -- the name of the box it was made for
  credential_id blob not null unique,
  credential    blob not null,                               -- AttestedCredentialData: its id and public key
  sign_count    integer not null,
  label         text not null,
  added_at      text not null check (added_at like '%Z'),
  revoked_at    text check (revoked_at like '%Z')
) strict;
create table passkey_challenge (
  challenge  text primary key,
  purpose    text not null,                                  -- what its answer may be used for, and nothing else
  rp         text not null,
  expires_at text not null check (expires_at like '%Z')
) strict;

-- box_events.py: what was last seen of the box and its cameras; a difference to it becomes an entry
create table box_fact (
  subject text primary key,                                  -- usb, network, power, program, config, camera/ID ...
  value   text not null check (json_valid(value)),
  boot    text not null,
  seen_at text not null check (seen_at like '%Z')
) strict;

-- matching.py: which events and announced actions have been judged by the profile's rules
create table judged (
  entry   integer primary key,                               -- the event, or the entry that ended the action
  what    text not null check (what in ('event', 'act')),
  verdict text check (verdict in ('explained', 'unexplained', 'brief', 'met', 'contradicted', 'free')),   -- null: not yet
  answer  integer,                                           -- the entry that says so
  act     integer                                            -- the announced action that explained it
) strict;
create index judged_open on judged (entry) where verdict is null;
create index judged_by on judged (act) where act is not null;
create table judged_to (                                     -- one row: up to which entry the journal has been read
  one integer primary key check (one = 1),
  seq integer not null
) strict;

-- What is known, and nothing that could be worked out from it.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each file below the root that counts as a track.
CREATE TABLE track (
    path        BLOB PRIMARY KEY,       -- relative to the root, as on disk, joined by '/'
    ordinal     INTEGER NOT NULL UNIQUE, -- row order in the dataset
    size        INTEGER NOT NULL,
    mtime_ns    TEXT NOT NULL,          -- decimal: may be larger than 64 bits hold
    changed_ns  TEXT NOT NULL,
    inode       TEXT NOT NULL,
    read_ns     INTEGER NOT NULL DEFAULT 0, -- when it was last read, by the wall clock
    audio_id    TEXT,                   -- NULL: not read yet
    file_digest TEXT,
    replaced    TEXT,                   -- the audio_id that this path had before
    title       TEXT NOT NULL DEFAULT '',
    artist      TEXT NOT NULL DEFAULT '',
    album       TEXT NOT NULL DEFAULT '',
    problem     TEXT                    -- why it could not be read, as JSON; tried again each pass
) STRICT;
CREATE INDEX track_audio_id ON track (audio_id);

-- Audio files, and folders (their path ends in '/'), that are not tracks.
CREATE TABLE left_out (
    path   BLOB PRIMARY KEY,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Work done, by sound. In the spool while shard is NULL.
CREATE TABLE spectrogram (
    audio_id   TEXT NOT NULL,
    recipe     TEXT NOT NULL,
    windows    INTEGER NOT NULL,
    checksum   TEXT NOT NULL,
    duration_s REAL NOT NULL,
    promised_s REAL NOT NULL,
    method     TEXT NOT NULL,
    shard      TEXT,                    -- split/name
    first_row  INTEGER,
    PRIMARY KEY (audio_id, recipe)
) STRICT, WITHOUT ROWID;
CREATE INDEX spectrogram_shard ON spectrogram (shard);

-- Work that failed, by sound; not tried again until file or recipe changes, or on request.
CREATE TABLE failure (
    audio_id TEXT NOT NULL,
    recipe   TEXT NOT NULL,
    reason   TEXT NOT NULL,
    what     TEXT NOT NULL,
    hint     TEXT NOT NULL,
    tries    INTEGER NOT NULL,
    at       TEXT NOT NULL,
    PRIMARY KEY (audio_id, recipe)
) STRICT, WITHOUT ROWID;

-- The ledger: which class and which split things have, for good.
CREATE TABLE genre (
    class_id INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE placement (
    audio_id TEXT PRIMARY KEY,
    split    TEXT NOT NULL CHECK (split IN ('train', 'validate', 'test'))
) STRICT, WITHOUT ROWID;

CREATE TABLE shard (
    path  TEXT PRIMARY KEY,             -- split/name
    bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    number       INTEGER PRIMARY KEY,
    fingerprint  TEXT NOT NULL,
    content      TEXT NOT NULL,         -- digest of all that a publish writes, tags included
    recipe       TEXT NOT NULL,
    tracks       INTEGER NOT NULL,
    complete     INTEGER NOT NULL,
    pending      INTEGER NOT NULL,
    published_at TEXT NOT NULL
) STRICT;

CREATE TABLE pass (
    number     INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    seconds    REAL NOT NULL,
    report     TEXT NOT NULL            -- JSON: counts, balance
) STRICT;

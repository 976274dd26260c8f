-- Each time that splits were begun anew on purpose. Groups as fine as `group_by` have been kept together since.
CREATE TABLE epoch (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL UNIQUE,
    group_by TEXT NOT NULL CHECK (group_by IN ('track', 'album', 'artist')),
    began_at TEXT NOT NULL
) STRICT;
INSERT INTO epoch SELECT 1, 'first', 'track', '' WHERE EXISTS (SELECT 1 FROM placement);

-- Songs that had to change their split, and why: 'lacking' or 'joined'.
CREATE TABLE move (
    number   INTEGER PRIMARY KEY,
    epoch    INTEGER NOT NULL,
    audio_id TEXT NOT NULL,
    genre    TEXT NOT NULL,
    source   TEXT NOT NULL,
    target   TEXT NOT NULL,
    cause    TEXT NOT NULL,
    moved_at TEXT NOT NULL
) STRICT;

-- The splits that a dataset which was taken over gave to files, until their songs are placed.
CREATE TABLE adopted (
    path  BLOB PRIMARY KEY,             -- as in track
    split TEXT NOT NULL CHECK (split IN ('train', 'validate', 'test'))
) STRICT, WITHOUT ROWID;

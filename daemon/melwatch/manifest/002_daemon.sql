-- What people ask of the running daemon, and what it said when it took it.
CREATE TABLE request (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind     TEXT NOT NULL,
    argument TEXT NOT NULL DEFAULT '',
    made_at  TEXT NOT NULL,
    answer   TEXT                       -- NULL: not taken yet
) STRICT;

-- A track that has vanished: 'held' while its deletion waits for a person, 'accepted' once it may go.
ALTER TABLE track ADD COLUMN gone TEXT;

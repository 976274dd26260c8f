-- What the last pass made of each track, for those who only look. It could all be worked out again.
CREATE TABLE shown (
    path   BLOB PRIMARY KEY,            -- as in track
    genre  TEXT NOT NULL,
    split  TEXT,                        -- NULL: not in the dataset
    label  INTEGER,
    fate   TEXT NOT NULL,               -- a word, as in the balance of a pass
    search TEXT NOT NULL                -- path and tags, folded
) STRICT, WITHOUT ROWID;
CREATE INDEX shown_counts ON shown (fate, genre, split);

-- Few tracks are held or accepted to go, and it is asked often.
CREATE INDEX track_gone ON track (gone) WHERE gone IS NOT NULL;

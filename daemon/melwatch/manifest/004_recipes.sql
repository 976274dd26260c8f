-- What the recipes of versions and spectrograms say; a dataset keeps its recipe until another one is accepted.
CREATE TABLE recipe (
    id   TEXT PRIMARY KEY,
    json TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Counts each change of what a version is composed of, so that where nothing has changed nothing is composed anew.
-- Where rows lie is none of it: `shard` and `first_row` may change.
CREATE TABLE composed (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL,
    mark    TEXT NOT NULL DEFAULT '',   -- of all that `told` was worked out from
    told    TEXT NOT NULL DEFAULT '{}'  -- JSON: what came of it, in numbers
) STRICT;
INSERT INTO composed (id, changes) VALUES (1, 0);

CREATE TRIGGER track_added AFTER INSERT ON track BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER track_removed AFTER DELETE ON track BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER track_changed AFTER UPDATE ON track
WHEN (OLD.path, OLD.ordinal, OLD.title, OLD.artist, OLD.album)
     IS NOT (NEW.path, NEW.ordinal, NEW.title, NEW.artist, NEW.album)
     OR OLD.audio_id IS NOT NEW.audio_id OR OLD.replaced IS NOT NEW.replaced OR OLD.problem IS NOT NEW.problem
BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER spectrogram_added AFTER INSERT ON spectrogram BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER spectrogram_removed AFTER DELETE ON spectrogram BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER spectrogram_changed
AFTER UPDATE OF audio_id, recipe, windows, checksum, duration_s, promised_s, method ON spectrogram
BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER failure_added AFTER INSERT ON failure BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER failure_removed AFTER DELETE ON failure BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER failure_changed AFTER UPDATE ON failure BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER placement_added AFTER INSERT ON placement BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER placement_removed AFTER DELETE ON placement BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER placement_changed AFTER UPDATE ON placement BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER genre_added AFTER INSERT ON genre BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER genre_removed AFTER DELETE ON genre BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER genre_changed AFTER UPDATE ON genre BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER adopted_added AFTER INSERT ON adopted BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER adopted_removed AFTER DELETE ON adopted BEGIN UPDATE composed SET changes = changes + 1; END;

CREATE TRIGGER epoch_added AFTER INSERT ON epoch BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER epoch_changed AFTER UPDATE ON epoch BEGIN UPDATE composed SET changes = changes + 1; END;
CREATE TRIGGER epoch_removed AFTER DELETE ON epoch BEGIN UPDATE composed SET changes = changes + 1; END;

-- The text to search goes with the tags: it is worked out again where these changed, and only there.
CREATE TRIGGER track_retagged AFTER UPDATE OF title, artist, album ON track
WHEN (OLD.title, OLD.artist, OLD.album) IS NOT (NEW.title, NEW.artist, NEW.album)
BEGIN UPDATE shown SET search = '' WHERE path = NEW.path AND fate NOT IN ('pending', 'extracted'); END;

-- How a topic has ended: 'ended' by its publisher, 'stopped' by a reader. NULL: it takes messages.
-- Of a deleted topic: 'deleted', or NULL when it was deleted before this was kept.
ALTER TABLE topics ADD COLUMN end_reason TEXT;
-- When: milliseconds since 1970-01-01T00:00:00Z.
ALTER TABLE topics ADD COLUMN end_time INTEGER;
-- The id of its last message then; 0 when it had none.
ALTER TABLE topics ADD COLUMN end_last_id INTEGER;

-- Topics that ended longer ago are deleted. NULL: they stay.
ALTER TABLE policies ADD COLUMN remove_ended_after_seconds INTEGER;

-- The patterns of the topics it may end as a reader: an array of JSON.
ALTER TABLE tokens ADD COLUMN stop TEXT NOT NULL DEFAULT '[]';

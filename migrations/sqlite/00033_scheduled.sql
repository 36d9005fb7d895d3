-- +goose Up
-- Which snapshots a schedule took: what is kept of these is judged by numbers, and of others by nobody.
ALTER TABLE snapshots ADD COLUMN scheduled INTEGER NOT NULL DEFAULT 0 CHECK (scheduled IN (0, 1));

-- +goose Up

-- What starts in a container of the image, and whether it carries user data out. Images from before
-- have '' and 0: nothing is known of them, and nothing is refused for it.
ALTER TABLE images ADD COLUMN init TEXT NOT NULL DEFAULT '';
ALTER TABLE images ADD COLUMN init_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE images ADD COLUMN cloud_init INTEGER NOT NULL DEFAULT 0 CHECK (cloud_init IN (0, 1));

-- Servers that images are pulled from. key is the OpenPGP key their indexes have to be signed with,
-- armored; '' where nobody gave one.
CREATE TABLE image_remotes (
    name       TEXT PRIMARY KEY NOT NULL,
    url        TEXT NOT NULL,
    key        TEXT NOT NULL,
    created_ns INTEGER NOT NULL
) STRICT;

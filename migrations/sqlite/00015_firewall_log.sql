-- +goose Up

-- Rules tell of what they match only where that is asked for; denials all did.
ALTER TABLE firewall_rules ADD COLUMN log INTEGER NOT NULL DEFAULT 0 CHECK (log IN (0, 1));
UPDATE firewall_rules SET log = 1 WHERE action = 'deny';

-- Entries of the log say what they are.
UPDATE log SET entry = CAST(json_set(CAST(entry AS TEXT), '$.type', 'ref_updated', '$.epoch', 0) AS BLOB);

ALTER TABLE asset_variant ADD COLUMN last_accessed_at timestamp;

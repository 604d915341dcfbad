ALTER TABLE asset_variant ADD COLUMN expires_at timestamp;
CREATE INDEX asset_variant_expires_at_idx ON asset_variant (expires_at) WHERE expires_at IS NOT NULL;

-- What Konifer does not know of the variants that mounts made. A row goes with its variant, whoever deletes that.
-- Needs the REFERENCES privilege on asset_variant.
CREATE TABLE konifer_fs.variant (
  id     uuid PRIMARY KEY REFERENCES asset_variant ON DELETE CASCADE,
  size   bigint NOT NULL CHECK (size >= 0),
  sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE konifer_fs.variant IS 'Objects of generated variants; what is known of an original''s is in its node. Those that Konifer made have no row.';
COMMENT ON COLUMN konifer_fs.variant.id IS 'The variant.';
COMMENT ON COLUMN konifer_fs.variant.size IS 'Bytes of its object.';
COMMENT ON COLUMN konifer_fs.variant.sha256 IS 'Checksum of its object.';

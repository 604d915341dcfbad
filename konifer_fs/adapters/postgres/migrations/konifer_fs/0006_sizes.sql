-- Sizes of objects that Konifer stored, originals too: what the object store said of them, which is no checksum.
ALTER TABLE konifer_fs.variant ALTER sha256 DROP NOT NULL;
COMMENT ON TABLE konifer_fs.variant IS 'Objects of generated variants, and those that Konifer stored, once somebody asked; what is known of an original that we stored is in its node.';
COMMENT ON COLUMN konifer_fs.variant.sha256 IS 'Checksum of its object; NULL where Konifer stored it.';

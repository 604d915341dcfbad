-- What was written, of entries whose object is another: preprocessing made it. NULL where they are the same.
ALTER TABLE konifer_fs.node
  ADD COLUMN received_size   bigint CHECK (received_size >= 0),
  ADD COLUMN received_sha256 bytea CHECK (octet_length(received_sha256) = 32);
COMMENT ON COLUMN konifer_fs.node.received_size IS 'Bytes of the file that was written, where preprocessing made another of it.';
COMMENT ON COLUMN konifer_fs.node.received_sha256 IS 'Checksum of that file.';

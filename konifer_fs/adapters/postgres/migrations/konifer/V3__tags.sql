CREATE TABLE asset_tag (
  id         uuid PRIMARY KEY,
  asset_id   uuid NOT NULL,
  tag_value  text NOT NULL,
  created_at timestamp NOT NULL,
  CONSTRAINT fk_asset_tag_asset_id_asset_tree_id FOREIGN KEY (asset_id) REFERENCES asset_tree (id) ON DELETE CASCADE
);
CREATE INDEX asset_tag_asset_id_idx ON asset_tag (asset_id);
CREATE UNIQUE INDEX asset_tag_key_value_uq ON asset_tag (asset_id, tag_value);

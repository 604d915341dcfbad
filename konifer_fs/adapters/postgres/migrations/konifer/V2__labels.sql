CREATE TABLE asset_label (
  id          uuid PRIMARY KEY,
  asset_id    uuid NOT NULL,
  label_key   text NOT NULL,
  label_value text NOT NULL,
  created_at  timestamp NOT NULL,
  CONSTRAINT fk_asset_label_asset_id_asset_tree_id FOREIGN KEY (asset_id) REFERENCES asset_tree (id) ON DELETE CASCADE
);
CREATE INDEX asset_label_asset_id_idx ON asset_label (asset_id);
CREATE UNIQUE INDEX asset_label_key_value_uq ON asset_label (asset_id, label_key, label_value);

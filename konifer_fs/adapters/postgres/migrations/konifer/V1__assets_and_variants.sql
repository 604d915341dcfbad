-- Konifer's assets, and the objects that hold them. Names of constraints and indexes are part of the contract.
CREATE TABLE asset_tree (
  id          uuid PRIMARY KEY,
  entry_id    bigint NOT NULL,
  path        ltree NOT NULL,
  alt         text,
  source      text NOT NULL,
  source_url  text,
  is_ready    boolean NOT NULL DEFAULT false,
  created_at  timestamp NOT NULL,
  modified_at timestamp NOT NULL
);
CREATE INDEX asset_tree_path_gist_idx ON asset_tree USING gist (path);
CREATE INDEX asset_tree_path_is_ready_idx ON asset_tree (path, is_ready);
CREATE UNIQUE INDEX asset_tree_path_entry_id_uq ON asset_tree (path, entry_id);
CREATE INDEX asset_tree_not_ready ON asset_tree (id) WHERE is_ready IS FALSE;

CREATE TABLE asset_variant (
  id                  uuid PRIMARY KEY,
  asset_id            uuid NOT NULL,
  object_store_bucket text NOT NULL,
  object_store_key    text NOT NULL,
  transformation      jsonb NOT NULL,
  attributes          jsonb NOT NULL,
  lqip                jsonb NOT NULL,
  original_variant    boolean NOT NULL,
  created_at          timestamp NOT NULL,
  uploaded_at         timestamp,
  CONSTRAINT fk_asset_variant_asset_id_asset_tree_id FOREIGN KEY (asset_id) REFERENCES asset_tree (id)
);
CREATE INDEX asset_variant_asset_id_idx ON asset_variant (asset_id);
CREATE UNIQUE INDEX asset_variant_transformation_uq ON asset_variant (asset_id, transformation);
CREATE UNIQUE INDEX asset_variant_asset_id_original_variant_uq ON asset_variant (asset_id) WHERE original_variant;
CREATE INDEX asset_variant_not_uploaded ON asset_variant (id) WHERE uploaded_at IS NULL;

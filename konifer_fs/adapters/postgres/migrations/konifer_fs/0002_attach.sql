-- All that ties our tables to Konifer's: an entry's row goes with its asset, whoever deletes that.
-- Needs the REFERENCES privilege on asset_tree.
ALTER TABLE konifer_fs.node ADD CONSTRAINT node_asset FOREIGN KEY (asset_id) REFERENCES asset_tree ON DELETE CASCADE;

-- What changed, for mounts that keep answers in memory. A position in it is a snapshot, not a row: transactions become
-- visible in another order than they begin. It may be lost with the server: mounts then take nothing for known.
CREATE UNLOGGED TABLE konifer_fs.change_log (
  xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
  writer   text NOT NULL DEFAULT current_setting('application_name'),
  kind     "char" NOT NULL,
  path     ltree,
  asset_id uuid,
  parent   bigint,
  name     text COLLATE "C",
  node     bigint
);
CREATE INDEX change_log_xid ON konifer_fs.change_log (xid);
COMMENT ON TABLE konifer_fs.change_log IS 'What changed lately and what mounts may have remembered of it; mounts prune what all have read.';
COMMENT ON COLUMN konifer_fs.change_log.xid IS 'The transaction that changed it.';
COMMENT ON COLUMN konifer_fs.change_log.writer IS 'application_name of who changed it: a mount knows its own changes already.';
COMMENT ON COLUMN konifer_fs.change_log.kind IS 'n: a node (node, parent, name). a: an asset (asset_id, path). s: all at and below path. !: anything.';
COMMENT ON COLUMN konifer_fs.change_log.path IS 'Where the asset was or is; of s, where all of them were or are.';
COMMENT ON COLUMN konifer_fs.change_log.asset_id IS 'The asset.';
COMMENT ON COLUMN konifer_fs.change_log.parent IS 'The directory that showed or shows the node.';
COMMENT ON COLUMN konifer_fs.change_log.name IS 'The node''s name there.';
COMMENT ON COLUMN konifer_fs.change_log.node IS 'The node''s id.';

-- A NOTIFY in every transaction would admit one commit at a time. Who finds the lock taken need not signal: its holder
-- will, after this transaction was logged, so that a listener finds it visible or in progress.
CREATE FUNCTION konifer_fs.wake_listeners() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_try_advisory_xact_lock(7237123446850545) THEN PERFORM pg_notify('konifer_fs', ''); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER wake_listeners AFTER INSERT ON konifer_fs.change_log DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION konifer_fs.wake_listeners();

CREATE FUNCTION konifer_fs.log_node() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    INSERT INTO konifer_fs.change_log (kind, parent, name, node) VALUES ('n', OLD.parent, OLD.name, OLD.id);
  END IF;
  IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND (OLD.parent, OLD.name) IS DISTINCT FROM (NEW.parent, NEW.name) THEN
    INSERT INTO konifer_fs.change_log (kind, parent, name, node) VALUES ('n', NEW.parent, NEW.name, NEW.id);
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER log_insert AFTER INSERT ON konifer_fs.node FOR EACH ROW EXECUTE FUNCTION konifer_fs.log_node();
CREATE TRIGGER log_delete AFTER DELETE ON konifer_fs.node FOR EACH ROW EXECUTE FUNCTION konifer_fs.log_node();
-- A directory's times change with every name in it, which is told by that name.
CREATE TRIGGER log_update AFTER UPDATE ON konifer_fs.node FOR EACH ROW
  WHEN ((OLD.parent, OLD.name, OLD.asset_id, OLD.target, OLD.size, OLD.mode, OLD.uid, OLD.gid)
        IS DISTINCT FROM (NEW.parent, NEW.name, NEW.asset_id, NEW.target, NEW.size, NEW.mode, NEW.uid, NEW.gid)
        OR NEW.path IS NULL AND (OLD.mtime, OLD.ctime) IS DISTINCT FROM (NEW.mtime, NEW.ctime)
        OR NEW.path IS NOT NULL AND OLD.mtime > NEW.mtime)
  EXECUTE FUNCTION konifer_fs.log_node();

-- For triggers on Konifer's asset_tree, which its owner must allow. Whatever fails here never fails a writer.
CREATE FUNCTION konifer_fs.log_assets() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public AS $$
DECLARE
  many boolean;
BEGIN
  BEGIN
    IF TG_OP = 'DELETE' THEN many := (SELECT count(*) > 100 FROM (SELECT FROM old_rows LIMIT 101) r);
    ELSE                     many := (SELECT count(*) > 100 FROM (SELECT FROM new_rows LIMIT 101) r);
    END IF;
    -- lca() gives an ancestor above all of them: a label more makes it one of theirs.
    IF many AND TG_OP <> 'DELETE' THEN
      INSERT INTO konifer_fs.change_log (kind, path) SELECT 's', lca(array_agg(path || 'x')) FROM new_rows;
    END IF;
    IF many AND TG_OP <> 'INSERT' THEN
      INSERT INTO konifer_fs.change_log (kind, path) SELECT 's', lca(array_agg(path || 'x')) FROM old_rows;
    END IF;
    IF many THEN
      NULL;
    ELSIF TG_OP = 'INSERT' THEN
      INSERT INTO konifer_fs.change_log (kind, path, asset_id) SELECT 'a', path, id FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
      INSERT INTO konifer_fs.change_log (kind, path, asset_id) SELECT 'a', path, id FROM old_rows;
    ELSE
      INSERT INTO konifer_fs.change_log (kind, path, asset_id)
      SELECT 'a', path, id FROM new_rows UNION SELECT 'a', path, id FROM old_rows;
    END IF;
  EXCEPTION WHEN OTHERS THEN
    INSERT INTO konifer_fs.change_log (kind) VALUES ('!');
  END;
  RETURN NULL;
END $$;

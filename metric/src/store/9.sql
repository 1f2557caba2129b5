-- Version 9: versions that predict beside the one that serves.

-- serving, shadow or challenger: what a model predicts for. Rows of shadows and challengers have no line in metric_log.csv.
ALTER TABLE source ADD COLUMN role TEXT NOT NULL DEFAULT 'serving';

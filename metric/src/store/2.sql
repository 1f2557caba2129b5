-- Version 2: views for people and their programs. Their names and columns are kept; the tables behind them may change.

CREATE VIEW scored AS SELECT
    scoring.seq,
    CASE typeof(id) WHEN 'blob' THEN lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
        substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) ELSE id END AS id,
    y_true,
    y_pred,
    abs(y_true - y_pred) AS absolute_error,
    coalesce(name, '') AS model,
    coalesce(version, '') AS model_version,
    strftime('%Y-%m-%dT%H:%M:%S', predicted_at / 1000, 'unixepoch') || printf('.%03dZ', predicted_at % 1000) AS predicted_at,
    strftime('%Y-%m-%dT%H:%M:%S', labelled_at / 1000, 'unixepoch') || printf('.%03dZ', labelled_at % 1000) AS labelled_at,
    labelled_at - predicted_at AS label_lag_ms
FROM scoring JOIN source ON source.number = scoring.source;

CREATE VIEW expired AS SELECT
    seq,
    CASE typeof(id) WHEN 'blob' THEN lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
        substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) ELSE id END AS id,
    CASE source WHEN 0 THEN 'prediction' ELSE 'label' END AS missing,
    value,
    coalesce(name, '') AS model,
    coalesce(version, '') AS model_version,
    strftime('%Y-%m-%dT%H:%M:%S', received / 1000, 'unixepoch') || printf('.%03dZ', received % 1000) AS received_at,
    strftime('%Y-%m-%dT%H:%M:%S', expired_at / 1000, 'unixepoch') || printf('.%03dZ', expired_at % 1000) AS expired_at
FROM expiry JOIN event USING (seq) JOIN source ON source.number = event.source;

-- Version 5: the packed tables take the place of the others. `scoring.age` is 0 from here on: the journal has it.

DROP VIEW expired;
DROP TABLE expiry;
DROP TABLE known;
DROP TABLE event;
DROP TABLE packing;
ALTER TABLE entry RENAME TO known;
ALTER TABLE lapse RENAME TO expiry;

CREATE VIEW expired AS SELECT
    seq,
    CASE typeof(id) WHEN 'blob' THEN lower(
        substr(hex(id), 1, 8) || '-' || substr(hex(id), 9, 4) || '-' || substr(hex(id), 13, 4) || '-' ||
        substr(hex(id), 17, 4) || '-' || substr(hex(id), 21)) ELSE id END AS id,
    CASE source WHEN 0 THEN 'prediction' ELSE 'label' END AS missing,
    value,
    coalesce(name, '') AS model,
    coalesce(version, '') AS model_version,
    strftime('%Y-%m-%dT%H:%M:%S', expiry.received / 1000, 'unixepoch') || printf('.%03dZ', expiry.received % 1000) AS received_at,
    strftime('%Y-%m-%dT%H:%M:%S', expired_at / 1000, 'unixepoch') || printf('.%03dZ', expired_at % 1000) AS expired_at
FROM expiry JOIN source ON source.number = expiry.source;

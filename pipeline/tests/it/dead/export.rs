//! Letters that leave for a file and come back, and those that are deleted.

use lapin::types::{AMQPValue, FieldArray, FieldTable, LongString};
use shared::transport::QueueKind;

use super::{FEATURES, dead, dead_typing, ids, ours, put, with};
use crate::broker;
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn an_export_a_purge_and_an_import_bring_back_the_same() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let services = Services::new(&broker.url);
    let (connection, channel) = super::channel(&broker).await;
    let every = vec![
        AMQPValue::Void,
        AMQPValue::LongInt(-5),
        AMQPValue::ShortInt(5),
        AMQPValue::Double(0.1),
        AMQPValue::Float(0.1),
        AMQPValue::Timestamp(5),
        AMQPValue::ByteArray(vec![0, 255].into()),
        AMQPValue::LongString(LongString::from(vec![0xff, 0])),
        AMQPValue::FieldTable(FieldTable::default()),
    ];
    let every = AMQPValue::FieldArray(FieldArray::from(every));
    let typed = with(ours("not_json", "typed"), "every", every).with_priority(3).with_timestamp(7);
    put(&channel, FEATURES, "{Größe \u{9b}".as_bytes(), typed).await;
    put(&channel, FEATURES, &[0xff, 0], ours("not_json", "bytes")).await;
    put(&channel, FEATURES, b"", ours("not_json", "empty")).await;
    put(&channel, FEATURES, b"[1]", ours("wrong_length", "stays")).await;
    broker.has_ready_dead(FEATURES, 4).await;

    let chosen = ["--reason", "not_json"];
    let exported = dead(&broker, &[&["export", "Features"][..], &chosen].concat()).ends(0);
    assert_eq!(exported.err, "exported 3 letters of Features.dead; they are still there\n");
    exported.is_printable();
    let file = services.books.path("letters.ndjson");
    std::fs::write(&file, &exported.out).unwrap();
    let file = file.to_str().unwrap();

    // Only the name of the very queue deletes, and what was not counted stays.
    let purge = [&["purge", "Features"][..], &chosen].concat();
    for typed in ["", "y\n", "Features\n", "y_true.dead\n"] {
        let said = dead_typing(&broker.url, &purge, typed).ends(1);
        assert!(
            said.err.starts_with("3 letters of Features.dead will be deleted for good; left there: 1"),
            "{}",
            said.err
        );
        assert!(
            said.err.contains("nothing is deleted: expected Features.dead to be typed, or --yes"),
            "{}",
            said.err
        );
    }
    broker.has_ready_dead(FEATURES, 4).await;
    let said = dead_typing(&broker.url, &purge, "Features.dead\n").ends(0);
    assert_eq!(said.out, "deleted 3 letters of Features.dead; left there: 1\n");
    broker.has_ready_dead(FEATURES, 1).await;
    dead(&broker, &["purge", "Features", "--reason", "not_json", "--yes"]).ends(3);
    dead(&broker, &["purge", "Features", "--yes", "--older-than", "1h"]).ends(3);

    let checked = dead(&broker, &["import", file, "--dry-run"]).ends(0);
    assert_eq!(checked.out, format!("3 letters in {file}, all of them good; nothing was published\n"));
    broker.has_ready_dead(FEATURES, 1).await;
    assert_eq!(dead(&broker, &["import", file]).ends(0).out, "imported 3 letters\n");
    broker.has_ready_dead(FEATURES, 4).await;
    let again = dead(&broker, &[&["export", "Features"][..], &chosen].concat()).ends(0);
    assert_eq!(again.out, exported.out);
    // They can be requeued, now from elsewhere too.
    dead(&broker, &["import", file, "--to", "y_true"]).ends(0);
    broker.has_ready_dead("y_true.dead", 3).await;
    dead(&broker, &["requeue", "Features", "--reason", "not_json"]).ends(0);
    assert_eq!(ids(&broker.drain("Features").await), ["bytes", "empty", "typed"]);

    // One bad line, and nothing of the file is published.
    std::fs::write(file, format!("{}{{\"queue\": \"Features\", \"body\": \"1\"}}\n", exported.out)).unwrap();
    let said = dead(&broker, &["import", file]).ends(1);
    assert!(said.err.contains("nothing is imported: 1 lines of "), "{}", said.err);
    assert!(
        said.err.contains("line 4: its queue Features is none of dead letters; is it Features.dead?"),
        "{}",
        said.err
    );
    broker.has_ready_dead(FEATURES, 1).await;
    connection.close(200, "done".into()).await.unwrap();
}

//! Letters with everything that a producer may write into them, looked at on a terminal.

use serde_json::Value;
use shared::transport::QueueKind;

use super::{FEATURES, dead};
use crate::broker;
use crate::raw::{Properties, Raw, long, nested, table, value};

#[tokio::test(flavor = "multi_thread")]
async fn hostile_letters_harm_neither_the_terminal_nor_the_file() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let mut raw = Raw::connect(&broker.url).await;
    let odd = "\u{1b}]0;x\u{7}\u{1b}[2J\r\n\u{9b}\u{202e}\u{0}".as_bytes();
    let texts = |text: &[u8]| {
        let field = |name: &'static [u8]| (name, value(b'S', &long(text)));
        table(&[field(b"x-reason"), field(b"x-detail"), field(b"x-service"), field(odd_name())])
    };
    let headers = |table| Properties::default().headers(table).block();
    let mut blocks = vec![
        headers(texts(odd)),
        headers(texts(&[0xff, 0xfe])),
        headers(texts(&vec![b'x'; 15_000])),
        headers(table(&[(b"x-death", value(b'S', &long(b"no list")))])),
        headers(table(&[(b"x-death", nested(b'A', 31))])),
        // These are not handed on as they are.
        headers(table(&[(b"deep", nested(b'A', 3000))])),
        headers(table(&[(b"caf\xe9", value(b't', &[1]))])),
        Properties::default().text("message_id", odd).block(),
        Properties::default().text("content_type", b"\xff").block(),
    ];
    blocks.push(Properties::default().block());
    for block in &blocks {
        raw.publish(FEATURES, block, odd).await;
    }
    raw.publish(FEATURES, &headers(texts(b"large")), &vec![b' '; 3 * 1024 * 1024]).await;
    raw.confirmed().await;
    let count = u32::try_from(blocks.len() + 1).unwrap();
    broker.has_ready_dead(FEATURES, count).await;
    for arguments in [
        &["list"][..],
        &["list", "--json"],
        &["show", "Features"],
        &["show", "Features", "--json"],
        &["export", "Features"],
    ] {
        let said = dead(&broker, arguments).ends(0);
        said.is_printable();
        if arguments[0] == "export" {
            assert_eq!(said.out.lines().count(), count as usize, "{}", said.err);
            for line in said.out.lines() {
                serde_json::from_str::<Value>(line).unwrap();
            }
        }
    }
    let said = dead(&broker, &["requeue", "Features", "--dry-run"]).ends(1);
    said.is_printable();
    assert!(said.out.contains("it is not here whole: "), "{}", said.out);
    broker.has_ready_dead(FEATURES, count).await;
    dead(&broker, &["purge", "Features", "--yes"]).ends(0);
    broker.has_ready_dead(FEATURES, 0).await;
}

fn odd_name() -> &'static [u8] {
    "n\u{1b}[2J\u{202e}".as_bytes()
}

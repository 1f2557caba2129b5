//! `metric` with a pair of text files for each day, and with none, over a broker: nothing is lost from one to the other.

use std::fs;

use crate::account::{TEXTS, wait_for};
use crate::broker;
use crate::by_hand::on_another_day;
use crate::feed::Feed;
use crate::processes::Services;

#[tokio::test(flavor = "multi_thread")]
async fn files_of_days_and_none_lose_nothing() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let feed = Feed::of(&services);
    let books = &services.books;
    let first_day = on_another_day(&services, &feed, 100).await;
    let closed = || TEXTS.map(|name| books.text(&format!("{name}.2026-11-20")));

    let mut metric = services.metric(&["--text", "daily"]);
    metric.says("text files daily").await;
    feed.predictions(50..100).await;
    feed.pairs(100..200).await;
    books.settle_exactly().await;
    broker.emptied().await;
    metric.stop().await;
    assert!(closed() == first_day);
    services.rebuild_writes_the_same();
    let second_day = books.texts();

    // None: what is there stays, also where somebody has edited it.
    fs::write(books.logs().join("labels_log.txt.2026-11-20"), "edited").unwrap();
    let mut metric = services.metric(&["--text", "off"]);
    feed.pairs(200..300).await;
    let scored = || services.status()["labels"]["scored"] == 300;
    wait_for("the rows in the database", scored, || metric.log()).await;
    let said = services.hint("text_off").unwrap();
    assert!(said.contains("labels_log.txt and metric_log.csv are not written since 20"), "{said}");
    broker.emptied().await;
    metric.kill().await;
    assert!(books.texts() == second_day);

    // And all of it, with what was not written meanwhile.
    fs::write(books.logs().join("labels_log.txt.2026-11-20"), &first_day[0]).unwrap();
    let mut metric = services.metric(&["--text", "daily"]);
    feed.pairs(300..320).await;
    books.settle_exactly().await;
    broker.emptied().await;
    metric.stop().await;
    assert_eq!(services.hint("text_off"), None);
    books.agree_with(&services.status());
    books.has_nothing_aside();
    assert!(books.texts().iter().zip(&second_day).all(|(now, then)| now.starts_with(then)));
}

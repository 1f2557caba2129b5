//! What models say of themselves: the latest card of each version, and the files that were refused last.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use shared::card::{About, Card};
use shared::clock::Timestamp;

use crate::join::ModelId;

/// How many versions have a card at the most, and of how many bytes together. Those that were not heard of for longest go.
const MOST: i64 = 1000;
const MOST_BYTES: i64 = 64 << 20;
/// How many refused files are kept, the latest ones.
const MOST_REFUSED: i64 = 100;

/// A card that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedCard {
    /// The card.
    pub card: Card,
    /// When it was published, if its sender said.
    pub published_at: Option<Timestamp>,
}

/// A card that is kept, or a file that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCard {
    /// The model's name.
    pub model: String,
    /// Its version; none where a file was refused.
    pub version: Option<String>,
    /// When one of this model and version came first, or the refusal.
    pub first_seen: Timestamp,
    /// When one came last.
    pub last_seen: Timestamp,
    /// When what is kept was published, if its sender said.
    pub published_at: Option<Timestamp>,
    /// The card's JSON.
    pub json: String,
}

impl KeptCard {
    /// The model and version that it is of.
    #[must_use]
    pub fn model_id(&self) -> ModelId {
        ModelId::recorded(Some(&self.model), self.version.as_deref())
    }
}

/// Keeps cards that came now.
pub(super) fn save(db: &Connection, cards: &[ReceivedCard], now: Timestamp) -> rusqlite::Result<()> {
    let mut is_new = false;
    for ReceivedCard { card, published_at } in cards {
        let published = published_at.map(|at| at.0);
        is_new |= match &card.about {
            About::Model(version) => save_model(db, card, version.as_str(), published, now)?,
            About::Refused(at) => save_refusal(db, card, *at, published, now)?,
        };
    }
    if is_new { trim(db) } else { Ok(()) }
}

/// Returns whether it is another one than was kept.
fn save_model(
    db: &Connection,
    Card { model, json, .. }: &Card,
    version: &str,
    published: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let same = "UPDATE card SET seen = ?3 WHERE model = ?1 AND version = ?2 AND data = ?4";
    if db.prepare_cached(same)?.execute(params![model.as_str(), version, now.0, json])? > 0 {
        return Ok(false);
    }
    let put = "INSERT INTO card (model, version, received, published, seen, bytes, data)
               VALUES (?1, ?2, ?3, ?4, ?3, ?5, ?6)
               ON CONFLICT (model, version) DO UPDATE SET
                   published = excluded.published, seen = excluded.seen, bytes = excluded.bytes, data = excluded.data";
    let bytes = json.len() as i64;
    db.prepare_cached(put)?.execute(params![model.as_str(), version, now.0, published, bytes, json])?;
    Ok(true)
}

fn save_refusal(
    db: &Connection,
    Card { model, json, .. }: &Card,
    at: Timestamp,
    published: Option<i64>,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let same = "SELECT number FROM refusal WHERE model = ?1 AND at = ?2 AND data = ?3";
    let known: Option<i64> = db
        .prepare_cached(same)?
        .query_row(params![model.as_str(), at.0, json], |row| row.get(0))
        .optional()?;
    if let Some(number) = known {
        db.prepare_cached("UPDATE refusal SET seen = ?2 WHERE number = ?1")?.execute([number, now.0])?;
        return Ok(false);
    }
    let put =
        "INSERT INTO refusal (model, at, received, published, seen, data) VALUES (?1, ?2, ?3, ?4, ?3, ?5)";
    db.prepare_cached(put)?.execute(params![model.as_str(), at.0, now.0, published, json])?;
    Ok(true)
}

/// Lets go of what is beyond the bounds.
fn trim(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM card WHERE number IN (
             SELECT number FROM (
                 SELECT number, row_number() OVER latest AS place, sum(bytes) OVER latest AS total
                 FROM card WINDOW latest AS (ORDER BY seen DESC, number DESC ROWS UNBOUNDED PRECEDING)
             ) WHERE place > ?1 OR total > ?2)",
    )?
    .execute([MOST, MOST_BYTES])?;
    db.prepare_cached(
        "DELETE FROM refusal WHERE number NOT IN (SELECT number FROM refusal ORDER BY at DESC, number DESC LIMIT ?1)",
    )?
    .execute([MOST_REFUSED])?;
    Ok(())
}

/// The cards that are kept, those that were heard of first at the beginning, and the refused files, in the order of time.
pub(super) fn load(db: &Connection) -> rusqlite::Result<(Vec<KeptCard>, Vec<KeptCard>)> {
    let all = |sql: &str| -> rusqlite::Result<Vec<KeptCard>> {
        db.prepare_cached(sql)?.query_map([], read)?.collect()
    };
    let models =
        all("SELECT model, version, received, seen, published, data FROM card ORDER BY received, number")?;
    let refused =
        all("SELECT model, NULL, received, seen, published, data FROM refusal ORDER BY at, number")?;
    Ok((models, refused))
}

/// The card of a model that is kept, if there is one.
pub(super) fn find(db: &Connection, model: &ModelId) -> rusqlite::Result<Option<KeptCard>> {
    let (Some(name), Some(version)) = (&model.name, &model.version) else { return Ok(None) };
    let sql =
        "SELECT model, version, received, seen, published, data FROM card WHERE model = ?1 AND version = ?2";
    db.prepare_cached(sql)?.query_row([name.as_str(), version.as_str()], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<KeptCard> {
    Ok(KeptCard {
        model: row.get(0)?,
        version: row.get(1)?,
        first_seen: Timestamp(row.get(2)?),
        last_seen: Timestamp(row.get(3)?),
        published_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        json: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Reader, Store};

    fn card(json: &str) -> ReceivedCard {
        let card = Card::read(json.as_bytes()).unwrap();
        ReceivedCard { card, published_at: Some(Timestamp(5)) }
    }

    fn of_model(version: &str, more: &str) -> ReceivedCard {
        card(&format!(r#"{{"card":1,"kind":"model","model":"m","version":"{version}","more":"{more}"}}"#))
    }

    fn of_refusal(second: usize) -> ReceivedCard {
        let (minute, second) = (second / 60, second % 60);
        card(&format!(
            r#"{{"card":1,"kind":"refused","model":"m","at":"2026-11-20T17:{minute:02}:{second:02}Z"}}"#
        ))
    }

    #[test]
    fn the_latest_card_of_a_version_is_kept_and_the_same_again_is_only_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let kept = || Reader::open(folder.path()).unwrap().cards().unwrap();
        let times = |kept: &KeptCard| (kept.first_seen.0, kept.last_seen.0);
        store.keep_cards(&[of_model("a", "1"), of_refusal(1), of_model("b", "1")], Timestamp(10)).unwrap();
        let first = kept();
        assert_eq!(
            first.0.iter().map(|kept| kept.version.as_deref()).collect::<Vec<_>>(),
            [Some("a"), Some("b")]
        );
        assert_eq!((first.1.len(), times(&first.1[0]), first.1[0].version.as_deref()), (1, (10, 10), None));
        store.keep_cards(&[of_model("a", "1"), of_refusal(1)], Timestamp(20)).unwrap();
        let again = kept();
        assert_eq!(
            (times(&again.0[0]), times(&again.0[1]), times(&again.1[0])),
            ((10, 20), (10, 10), (10, 20))
        );
        assert_eq!((&again.0[0].json, again.1.len()), (&first.0[0].json, 1));
        store.keep_cards(&[of_model("a", "2")], Timestamp(30)).unwrap();
        drop(store);
        Store::open(folder.path()).unwrap();
        let other = kept();
        assert_eq!((times(&other.0[0]), other.0.len()), ((10, 30), 2));
        assert!(other.0[0].json.contains(r#""more":"2""#), "{}", other.0[0].json);
        assert_eq!(other.0[0].published_at, Some(Timestamp(5)));
    }

    #[test]
    fn what_was_not_heard_of_for_longest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let versions = || -> Vec<String> {
            let (kept, _) = Reader::open(folder.path()).unwrap().cards().unwrap();
            kept.into_iter().filter_map(|kept| kept.version).collect()
        };
        let most = usize::try_from(MOST).unwrap();
        let all: Vec<ReceivedCard> = (0..most).map(|version| of_model(&version.to_string(), "")).collect();
        store.keep_cards(&all, Timestamp(10)).unwrap();
        // The first one is heard of again.
        store.keep_cards(&all[..1], Timestamp(20)).unwrap();
        store.keep_cards(&[of_model("new", "")], Timestamp(30)).unwrap();
        let left = versions();
        assert_eq!(left.len(), most);
        assert_eq!((&*left[0], &*left[1], &*left[most - 1]), ("0", "2", "new"));
        // In bytes: the others go for large ones, and those that are left are no more than allowed.
        let large = "x".repeat(900 << 10);
        let large: Vec<ReceivedCard> =
            (0..80).map(|number| of_model(&format!("large-{number}"), &large)).collect();
        store.keep_cards(&large, Timestamp(40)).unwrap();
        let left = versions();
        assert_eq!((left.len(), &*left[0], &*left[left.len() - 1]), (72, "large-8", "large-79"));
        let refused: Vec<ReceivedCard> = (0..130).map(of_refusal).collect();
        store.keep_cards(&refused, Timestamp(50)).unwrap();
        let (_, left) = Reader::open(folder.path()).unwrap().cards().unwrap();
        assert_eq!(left.len(), 100);
        assert_eq!((&*left[0].json, &*left[99].json), (&*refused[30].card.json, &*refused[129].card.json));
    }
}

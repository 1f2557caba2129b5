//! What each row was predicted from: the table `feature`, a blob for each run of predictions of a commit whose numbers follow
//! each other and whose vectors have the same width.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::block::Damage;

/// How many vectors a blob has at the most: more would save little, and whoever wants one reads all of them.
const LONGEST: usize = 64;
/// How many bytes a blob has at the most, unless a single vector has more.
const LARGEST: usize = 64 << 10;
/// How many bytes a number takes.
const NUMBER: usize = size_of::<f64>();

/// Vectors of predictions whose numbers follow each other.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Run {
    /// The number of the first prediction.
    first: i64,
    /// How many numbers each vector has, which is one at least.
    width: usize,
    data: Vec<u8>,
}

impl Run {
    fn new(first: i64, vector: &[f64]) -> Self {
        let mut run = Self { first, width: vector.len(), data: Vec::new() };
        run.push(vector);
        run
    }

    fn push(&mut self, vector: &[f64]) {
        self.data.extend(vector.iter().flat_map(|number| number.to_le_bytes()));
    }

    /// How many vectors it has.
    fn count(&self) -> usize {
        self.data.len() / (NUMBER * self.width)
    }

    /// The number of its last prediction.
    pub(super) fn last(&self) -> i64 {
        self.first + i64::try_from(self.count()).unwrap_or(0) - 1
    }

    /// Whether this vector of this prediction belongs to it.
    fn takes(&self, prediction: i64, vector: &[f64]) -> bool {
        vector.len() == self.width
            && prediction == self.last() + 1
            && self.count() < LONGEST
            && self.data.len() + NUMBER * vector.len() <= LARGEST
    }

    /// CRC-32 of all that it is.
    fn checksum(&self) -> u32 {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&self.first.to_le_bytes());
        sum.update(&(self.width as u64).to_le_bytes());
        sum.update(&self.data);
        sum.finalize()
    }

    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        let first = row.get(0)?;
        let run = Self { first, width: row.get::<_, u32>(1)? as usize, data: row.get(3)? };
        let damage = |how: &str| Damage::of(&format!("the features from prediction {first} on {how}"));
        if run.checksum() != row.get::<_, u32>(2)? {
            return Err(damage("have another checksum than when they were written").into());
        }
        if run.width == 0 || run.data.len() != run.count() * NUMBER * run.width {
            return Err(damage("cannot be read").into());
        }
        Ok(run)
    }

    /// The vector of a prediction, if it is one of these.
    pub(super) fn vector(&self, prediction: i64) -> Option<Arc<[f64]>> {
        let place = usize::try_from(prediction.checked_sub(self.first)?).ok()?;
        let (numbers, _) = self.data.chunks_exact(NUMBER * self.width).nth(place)?.as_chunks::<NUMBER>();
        Some(numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
    }
}

/// Puts vectors together that come in the order of their predictions.
#[derive(Debug, Default)]
pub(super) struct Collector(Option<Run>);

impl Collector {
    /// Adds one. Returns the run that is complete with it, which is without it.
    pub(super) fn push(&mut self, prediction: i64, vector: &[f64]) -> Option<Run> {
        match &mut self.0 {
            Some(run) if run.takes(prediction, vector) => {
                run.push(vector);
                None
            }
            other => other.replace(Run::new(prediction, vector)),
        }
    }

    /// The last run, if there were any vectors.
    pub(super) fn finish(self) -> Option<Run> {
        self.0
    }
}

/// Appends a run.
pub(super) fn insert(db: &Connection, run: &Run) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO feature VALUES (?1, ?2, ?3, ?4)")?.execute(params![
        run.first,
        run.width,
        run.checksum(),
        run.data
    ])?;
    Ok(())
}

/// Forgets the vectors of all predictions up to this one, which is the last of its commit.
pub(super) fn forget(db: &Connection, last: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM feature WHERE first <= ?1")?.execute([last])?;
    Ok(())
}

/// Finds vectors, quickly where those that are asked for are near each other.
#[derive(Debug, Default)]
pub(super) struct Vectors(Option<Run>);

impl Vectors {
    /// That of a prediction; none where it was not said or is forgotten.
    ///
    /// # Errors
    /// Vectors that are damaged, which are named.
    pub(super) fn of(&mut self, db: &Connection, prediction: i64) -> rusqlite::Result<Option<Arc<[f64]>>> {
        if let Some(vector) = self.0.as_ref().and_then(|run| run.vector(prediction)) {
            return Ok(Some(vector));
        }
        self.0 = db
            .prepare_cached(
                "SELECT first, width, checksum, data FROM feature WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
            )?
            .query_row([prediction], Run::read)
            .optional()?;
        Ok(self.0.as_ref().and_then(|run| run.vector(prediction)))
    }
}

/// All runs whose first prediction has one of these numbers, in order.
///
/// # Errors
/// Vectors that are damaged, which are named.
pub(super) fn runs(db: &Connection, first: i64, last: i64) -> rusqlite::Result<Vec<Run>> {
    db.prepare_cached(
        "SELECT first, width, checksum, data FROM feature WHERE first BETWEEN ?1 AND ?2 ORDER BY first",
    )?
    .query_map([first, last], Run::read)?
    .collect()
}

/// Reads all of them.
///
/// # Errors
/// Vectors that are damaged, which are named.
pub(super) fn check(db: &Connection) -> rusqlite::Result<()> {
    let mut all = db.prepare("SELECT first, width, checksum, data FROM feature ORDER BY first")?;
    let mut rows = all.query([])?;
    while let Some(row) = rows.next()? {
        Run::read(row)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(vectors: &[(i64, Vec<f64>)]) -> Vec<Run> {
        let mut collector = Collector::default();
        let mut runs: Vec<Run> =
            vectors.iter().filter_map(|(prediction, vector)| collector.push(*prediction, vector)).collect();
        runs.extend(collector.finish());
        runs
    }

    #[test]
    fn a_run_ends_where_a_number_is_left_out_or_the_width_changes_or_it_is_long() {
        let wide = |numbers: std::ops::Range<i64>, width: usize| {
            numbers.map(move |number| (number, vec![number as f64; width]))
        };
        for (vectors, want) in [
            (vec![], vec![]),
            (wide(5..8, 2).collect(), vec![(5, 3)]),
            (wide(5..8, 2).chain(wide(9..10, 2)).collect(), vec![(5, 3), (9, 1)]),
            (wide(5..8, 2).chain(wide(8..10, 3)).collect(), vec![(5, 3), (8, 2)]),
            (wide(1..131, 10).collect(), vec![(1, 64), (65, 64), (129, 2)]),
            // 64 KiB have room for 16 vectors of 512 numbers, and for none of 10 000, which are alone.
            (wide(1..20, 512).collect(), vec![(1, 16), (17, 3)]),
            (wide(1..4, 10_000).collect(), vec![(1, 1), (2, 1), (3, 1)]),
        ] {
            let runs = collect(&vectors);
            assert_eq!(runs.iter().map(|run| (run.first, run.count())).collect::<Vec<_>>(), want);
            for (prediction, vector) in &vectors {
                let found: Vec<_> = runs.iter().filter_map(|run| run.vector(*prediction)).collect();
                assert_eq!(found, [Arc::from(vector.as_slice())]);
            }
        }
        let runs = collect(&[(5, vec![-0.0, f64::NAN])]);
        let bits: Vec<u64> = runs[0].vector(5).unwrap().iter().map(|number| number.to_bits()).collect();
        assert_eq!(bits, [(-0.0_f64).to_bits(), f64::NAN.to_bits()]);
        assert_eq!((runs[0].vector(4), runs[0].vector(6)), (None, None));
    }

    #[test]
    fn what_is_written_is_found_and_no_changed_bit_passes() {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE feature (first INTEGER PRIMARY KEY, width INTEGER, checksum INTEGER, data BLOB) STRICT",
        )
        .unwrap();
        let vectors = [(3, vec![1.0, 2.0]), (4, vec![3.0, 4.0]), (6, vec![5.0])];
        collect(&vectors).iter().for_each(|run| insert(&db, run).unwrap());
        let mut finder = Vectors::default();
        for number in [6, 3, 2, 4, 5, 7] {
            let want = vectors.iter().find(|(prediction, _)| *prediction == number);
            let want = want.map(|(_, vector)| Arc::from(vector.as_slice()));
            assert_eq!(finder.of(&db, number).unwrap(), want, "{number}");
        }
        assert_eq!(runs(&db, 3, 5).unwrap().len(), 1);
        check(&db).unwrap();
        for change in
            ["data = CAST(x'01' || substr(data, 2) AS BLOB)", "width = 1", "first = 2", "checksum = 1"]
        {
            db.execute_batch(&format!("SAVEPOINT s; UPDATE feature SET {change} WHERE first = 3")).unwrap();
            let why = check(&db).unwrap_err().to_string();
            assert!(why.contains("prediction") && why.contains("another checksum"), "{change}: {why}");
            assert!(Vectors::default().of(&db, 4).is_err() && runs(&db, 1, 9).is_err());
            db.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
        }
        forget(&db, 5).unwrap();
        assert_eq!((Vectors::default().of(&db, 3).unwrap(), runs(&db, 1, 9).unwrap().len()), (None, 1));
    }
}

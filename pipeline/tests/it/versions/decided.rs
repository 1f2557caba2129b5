//! `metric` decides, every `model` follows, over crashes of all of them: a version that is worse serves no more, one that is as good
//! stays.

use super::*;
use crate::broker;
use crate::processes::{Process, Services, asked};

/// How many rows the table has.
const ROWS: usize = 2000;
/// Half the width of the noise. With an offset of half of it, the mean absolute error is a quarter larger.
const NOISE: f64 = 10.0;

/// A table in whose rows the label is twice the feature, and evenly spread noise.
fn noisy(books: &Books) -> String {
    let path = books.path("rows.csv");
    let share = |row: usize| (row * 1237 % ROWS) as f64 / (ROWS - 1) as f64;
    let label = |row: usize| 2.0 * row as f64 + NOISE * (2.0 * share(row) - 1.0);
    let rows: String = (0..ROWS).map(|row| format!("{row},{}\n", label(row))).collect();
    fs::write(&path, format!("a,target\n{rows}")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// All services, of `model` three.
struct World {
    services: Services,
    file: File,
    replicas: Vec<Process>,
    metric: Process,
}

impl World {
    async fn start(url: &str, intercept: f64) -> (Self, String) {
        let services = Services::new(url);
        let file = File::new(&services.books, "model.json");
        let version = file.put(intercept);
        let replicas = Vec::new();
        let mut world = Self { metric: services.metric(&["--rollback", "act"]), services, file, replicas };
        for _ in 0..3 {
            world.replicas.push(world.replica());
        }
        for replica in &world.replicas {
            replica.says("serving ").await;
        }
        (world, version)
    }

    fn replica(&self) -> Process {
        let kept = self.services.books.path("versions");
        let kept = kept.to_str().unwrap();
        self.services.model(&[
            "--model",
            self.file.argument(),
            "--versions",
            kept,
            "--admin-addr",
            "127.0.0.1:0",
        ])
    }

    /// `seed` is that of their order: of two equal versions chance calls one worse now and then, and it is the same chance each time.
    fn features(&self, table: &str, seed: usize) -> Process {
        let delay = format!("{}s", asked("SWAP_LABELS_LATE").unwrap_or(1));
        self.services.features(&[
            "--data",
            table,
            "--rate",
            "200",
            "--label-delay",
            &delay,
            "--order",
            "random",
            "--seed",
            &seed.to_string(),
        ])
    }

    fn serves(&self, replica: usize) -> Option<String> {
        // The last line that says it.
        let log = self.replicas[replica].log();
        let mut said = log.lines().filter_map(|line| {
            let rest = line.split("model@").nth(1)?;
            let again = line.split(": model@").nth(1).filter(|_| line.contains(" serves again"));
            let instead = line.split("Serving model@").nth(1);
            let is_swap = line.contains(" now serves, replacing ") || line.contains("serving ");
            again.or(instead).or(is_swap.then_some(rest)).map(|rest| rest[..12].to_owned())
        });
        said.next_back()
    }

    async fn ends(mut self, mut features: Process) {
        features.stop().await;
        // Whoever was killed may have published what it has not noted as confirmed.
        self.services.books.settle().await;
        for replica in &mut self.replicas {
            replica.stop().await;
        }
        self.metric.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_a_quarter_worse_is_taken_back_by_every_replica_over_crashes() {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let (mut world, good) = World::start(&broker.url, 0.0).await;
    let table = noisy(&world.services.books);
    let mut features = world.features(&table, 7);
    world.services.books.wait_for_rows(200).await;
    let bad = world.file.put(NOISE / 2.0);
    for replica in &world.replicas {
        replica.says(&format!("model@{bad} now serves")).await;
    }
    // Each of them once, while the evidence grows.
    for killed in 0..3 {
        let rows = world.services.books.rows() + 40;
        world.services.books.wait_for_rows(rows).await;
        world.replicas[killed].kill().await;
        world.replicas[killed] = world.replica();
        world.metric.kill().await;
        world.metric = world.services.metric(&["--rollback", "act"]);
        features.kill().await;
        features = world.features(&table, 7);
    }
    let all = || (0..3).all(|replica| world.serves(replica).as_deref() == Some(&good));
    let instead = || (0..3).map(|replica| format!("{:?}\n", world.serves(replica))).collect();
    wait_for(&format!("{good} to serve again"), all, instead).await;
    // It stays so, and what is said again has no further consequence.
    let rows = world.services.books.rows() + 600;
    world.services.books.wait_for_rows(rows).await;
    for (number, replica) in world.replicas.iter().enumerate() {
        assert_eq!(world.serves(number).as_deref(), Some(&*good), "{}", replica.log());
        let times = replica.log().matches("took back model@").count();
        assert!(times <= 1, "taken back {times} times: {}", replica.log());
    }
    assert_eq!(fs::read(world.file.argument()).unwrap(), model(NOISE / 2.0).0, "the file is left alone");
    world.ends(features).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_as_good_is_not_taken_back() {
    let runs = asked("EQUAL_SWAPS").unwrap_or(1);
    for run in 0..runs {
        as_good_is_not_taken_back(7 + run).await;
    }
    println!("held: {runs} swaps to an equal version, each over {ROWS} rows, none taken back");
}

async fn as_good_is_not_taken_back(seed: usize) {
    let broker = broker::turn().await;
    broker.declare(QueueKind::Quorum).await;
    let (world, _) = World::start(&broker.url, -NOISE / 4.0).await;
    let table = noisy(&world.services.books);
    let features = world.features(&table, seed);
    world.services.books.wait_for_rows(200).await;
    let equal = world.file.put(NOISE / 4.0);
    for replica in &world.replicas {
        replica.says(&format!("model@{equal} now serves")).await;
    }
    let rows = world.services.books.rows() + ROWS;
    world.services.books.wait_for_rows(rows).await;
    for number in 0..3 {
        assert_eq!(world.serves(number).as_deref(), Some(&*equal), "{}", world.replicas[number].log());
    }
    world.ends(features).await;
}

//! Questions of pika's clients, as tutorial 6 of RabbitMQ writes them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use tokio::process::Command;

use super::{PATIENCE, interpreter, setup};
use crate::account::wait_for;
use crate::processes::{Process, Services, repository};
use crate::versions::File;

fn command(services: &Services, queue: &str) -> Command {
    let mut command = Command::new(interpreter());
    command.arg(repository("pipeline/tests/python/ask.py")).args([&services.url, queue]);
    command
}

/// The client, which asks for the rows of a file.
fn client(services: &Services, queue: &str, rows: &Path, more: &[&str]) -> Process {
    let mut command = command(services, queue);
    command.arg(rows).args(more);
    Process::spawn(&services.books, "ask.py", command)
}

async fn replies(services: &Services, queue: &str, rows: &Path, more: &[&str]) -> Vec<serde_json::Value> {
    let mut client = client(services, queue, rows, more);
    assert_eq!(client.exit(PATIENCE).await, Some(0), "{}", client.log());
    client.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn their_clients_get_their_replies_one_by_one_and_a_thousand_at_once() {
    let (_broker, services) = setup().await;
    let (metric, model) = (services.metric(&[]), services.model(&[]));
    metric.ready().await;
    model.ready().await;
    model.says("created the queue Features.ask").await;
    let rows = services.books.path("rows");
    let row = |first: usize| format!("[{first}e-4, 0, 0, 0, 0, 0, 0, 0, 0, 0]");
    let bad = "[1, 2, 3]".to_owned();
    let of = |count: usize| (1..count).map(row).chain([bad.clone()]).collect::<Vec<_>>().join("\n");
    fs::write(&rows, of(20)).unwrap();
    let recorded = replies(&services, "Features", &rows, &[]).await;
    let asked = replies(&services, "Features.ask", &rows, &[]).await;
    assert_eq!(asked, recorded);
    assert_eq!((asked.len(), &asked[19]["reason"]), (20, &"wrong_length".into()));
    let in_order = |replies: &[serde_json::Value]| {
        let values: Vec<f64> = replies.iter().filter_map(serde_json::Value::as_f64).collect();
        values.is_sorted() || values.iter().rev().is_sorted()
    };
    assert!(in_order(&asked), "each has its own: {asked:?}");
    let mut gone = client(&services, "Features.ask", &rows, &["--leave"]);
    assert_eq!(gone.exit(PATIENCE).await, Some(0), "{}", gone.log());
    fs::write(&rows, of(1000)).unwrap();
    let asked = replies(&services, "Features.ask", &rows, &["--at-once"]).await;
    assert!(asked.len() == 1000 && in_order(&asked), "{} replies", asked.len());
    let recorded = replies(&services, "Features", &rows, &["--at-once"]).await;
    assert_eq!(asked, recorded);
    for process in [&metric, &model] {
        assert!(!process.log().contains("lost RabbitMQ"), "{}", process.log());
    }
}

/// A client that calls again and again, for rows whose feature is the number of the call.
struct Caller {
    client: Process,
    rows: std::io::PipeWriter,
    asked: usize,
}

impl Caller {
    fn new(services: &Services, queue: &str) -> Self {
        let (input, rows) = std::io::pipe().unwrap();
        let mut command = command(services, queue);
        command.args(["-", "--patience", "1"]);
        let client = Process::spawn_reading(&services.books, "ask.py", command, input.into());
        Self { client, rows, asked: 0 }
    }

    /// What came for each call; none where that was nothing in time.
    fn replies(&self) -> Vec<Option<f64>> {
        let log = self.client.log();
        // The last line may be half there.
        let whole = log.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let reply = |line| serde_json::from_str(line).unwrap_or_else(|why| panic!("{why}: {line}\n{log}"));
        whole.lines().map(reply).collect()
    }

    /// Calls on until that is so. There is always a call under way.
    async fn calls_until(&mut self, what: &str, is_so: impl Fn(&[Option<f64>]) -> bool) {
        let begin = self.asked;
        while !is_so(&self.replies()) {
            assert!(self.asked < begin + 5000, "{what} after {} calls\n{}", self.asked, self.client.log());
            for _ in 0..4 {
                writeln!(self.rows, "[{}]", self.asked).unwrap();
                self.asked += 1;
            }
            let wanted = self.asked - 2;
            wait_for(what, || self.replies().len() >= wanted, || self.client.log()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_calls_while_the_model_is_swapped_and_killed_has_his_own_reply_or_none() {
    const INTERCEPT: f64 = 0.5;
    for queue in ["Features", "Features.ask"] {
        let (_broker, services) = setup().await;
        let file = File::new(&services.books, "model.json");
        file.put(0.0);
        let serve = || services.model(&["--model", file.argument()]);
        let (metric, mut model) = (services.metric(&[]), serve());
        metric.ready().await;
        model.ready().await;
        model.says("created the queue Features.ask").await;
        let mut caller = Caller::new(&services, queue);
        caller.calls_until("calls are answered", |replies| replies.len() >= 300).await;
        file.put(INTERCEPT);
        let is_of_new = |reply: &Option<f64>| reply.is_some_and(|reply| reply.fract() == INTERCEPT);
        caller.calls_until("the new one answers", |replies| replies.last().is_some_and(is_of_new)).await;
        model.kill().await;
        let before = caller.replies().iter().filter(|reply| reply.is_none()).count();
        let silent =
            |replies: &[Option<f64>]| replies.iter().filter(|reply| reply.is_none()).count() > before;
        caller.calls_until("no reply comes", silent).await;
        let _model = serve();
        let again = |replies: &[Option<f64>]| {
            replies.len() >= 1000 && replies[replies.len() - 100..].iter().all(is_of_new)
        };
        caller.calls_until("calls are answered again", again).await;
        let Caller { mut client, rows, asked } = caller;
        drop(rows);
        assert_eq!(client.exit(PATIENCE).await, Some(0), "{}", client.log());
        let replies: Vec<Option<f64>> =
            client.log().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(replies.len(), asked);
        for (number, reply) in replies.iter().enumerate() {
            let own = 2.0 * number as f64;
            assert!(reply.is_none_or(|reply| [own, own + INTERCEPT].contains(&reply)), "{number}: {reply:?}");
        }
        let swapped = replies.iter().position(is_of_new).unwrap();
        assert!(
            replies[swapped..].iter().flatten().all(|reply| reply.fract() == INTERCEPT),
            "the old one is back"
        );
        let silent = replies.iter().filter(|reply| reply.is_none()).count();
        println!(
            "held: {asked} calls by {queue}, {silent} of them without a reply in time, none with another one's"
        );
    }
}

//! amqps: a certificate authority of one's own is accepted, and nothing that it has not signed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::account::Books;
use crate::broker;
use crate::hostile;
use crate::processes::{Process, Services, repository};

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl is needed: sudo apt-get install openssl");
    assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Makes an authority, and a certificate for localhost that it has signed, in a folder of that name.
fn authority(books: &Books, name: &str, days: &str) -> PathBuf {
    let folder = books.path(name);
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("names"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n").unwrap();
    let key = "-newkey rsa:2048 -noenc";
    openssl(&folder, &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=Test-CA-{name}"));
    openssl(&folder, &format!("req {key} -keyout key.pem -out request.pem -subj /CN=localhost"));
    let sign =
        "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile names -out cert.pem";
    openssl(&folder, &format!("{sign} {days}"));
    folder
}

async fn proxy(books: &Books, certificate: &Path, target: &str) -> (Process, String) {
    let mut command = tokio::process::Command::new(std::env::var("TEST_PYTHON").expect("run scripts/test"));
    command.arg(repository("pipeline/tests/python/tls_proxy.py"));
    command.args([certificate.join("cert.pem"), certificate.join("key.pem")]).arg(target);
    let proxy = Process::spawn(books, "tls_proxy.py", command);
    proxy.says(";").await;
    let port: String = proxy.log().chars().filter(char::is_ascii_digit).collect();
    (proxy, format!("localhost:{port}"))
}

/// Starts the pipeline. `named` is the authority of `--amqp-ca-file`, `system` the only one that the system trusts.
fn pipeline(books: &Books, url: &str, named: Option<&Path>, system: Option<&Path>) -> Process {
    let mut command = tokio::process::Command::new("env");
    if let Some(system) = system {
        command.arg(format!("SSL_CERT_FILE={}", system.join("ca.pem").display()));
    }
    command.arg(env!("CARGO_BIN_EXE_pipeline")).args(["--transport", "amqp", "--amqp-url", url]);
    if let Some(named) = named {
        command.arg("--amqp-ca-file").arg(named.join("ca.pem"));
    }
    command.arg("--logs").arg(books.logs()).arg("--ledger").arg(books.ledger());
    command.args(["--interval", "0s", "--count", "200"]).current_dir(repository("."));
    Process::spawn(books, "pipeline", command)
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_an_authority_of_ones_own() {
    let broker = broker::turn().await;
    let books = Books::new();
    let ours = authority(&books, "ours", "-days 2");
    let (_proxy, address) = proxy(&books, &ours, &broker.address()).await;
    let url = broker.url_via(&address).replace("amqp://", "amqps://");
    let mut process = pipeline(&books, &url, Some(&ours), None);
    assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
    books.settle_exactly().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_refuses_what_the_authority_has_not_signed_or_no_longer() {
    let broker = broker::turn().await;
    let books = Books::new();
    let ours = authority(&books, "ours", "-days 2");
    let theirs = authority(&books, "theirs", "-days 2");
    // Over at the moment it is signed.
    let expired = authority(&books, "expired", "-days 0");
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (server, trusted, why) in [(&theirs, &ours, "UnknownIssuer"), (&expired, &expired, "Expired")] {
        let (_proxy, address) = proxy(&books, server, &broker.address()).await;
        let url = broker.url_via(&address).replace("amqp://", "amqps://");
        let mut process = pipeline(&books, &url, Some(trusted), None);
        process.says("cannot reach RabbitMQ at amqps://").await;
        let log = process.log().to_lowercase();
        assert!(log.contains(&why.to_lowercase()), "{why} is not told:\n{log}");
        assert!(!process.log().contains("test:test"), "the password is in the log:\n{}", process.log());
        process.stop().await;
        assert_eq!(books.rows(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_with_a_named_authority_trusts_no_other() {
    let broker = broker::turn().await;
    let books = Books::new();
    let ours = authority(&books, "ours", "-days 2");
    let theirs = authority(&books, "theirs", "-days 2");
    // Who signed the broker's certificate, and who is named. The system trusts `theirs` each time.
    for (signer, named, trusted) in [
        (&theirs, None, true),
        (&theirs, Some(&*ours), false),
        (&ours, Some(&*ours), true),
        (&ours, None, false),
    ] {
        let (_proxy, address) = proxy(&books, signer, &broker.address()).await;
        let url = broker.url_via(&address).replace("amqp://", "amqps://");
        let mut process = pipeline(&books, &url, named, Some(&theirs));
        if trusted {
            assert_eq!(process.exit(Duration::from_secs(60)).await, Some(0), "{}", process.log());
        } else {
            process.says("cannot reach RabbitMQ at amqps://").await;
            assert!(process.log().contains("UnknownIssuer"), "{}", process.log());
            process.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_hides_no_hostile_message_from_the_guard() {
    let broker = broker::turn().await;
    let services = Services::new(&broker.url);
    let ours = authority(&services.books, "ours", "-days 2");
    let (_proxy, address) = proxy(&services.books, &ours, &broker.address()).await;
    let url = broker.url_via(&address).replace("amqp://", "amqps://");
    let (ca, logs) = (ours.join("ca.pem"), services.books.logs());
    // This program with TLS, under the names of the services, as the image has it.
    let start = |name: &str, more: &[&str]| {
        let link = services.books.path(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_pipeline"), &link).unwrap();
        let mut command = tokio::process::Command::new(link);
        command.args(["--amqp-url", &url, "--amqp-ca-file"]).arg(&ca).args(more).current_dir(repository("."));
        Process::spawn(&services.books, name, command)
    };
    let model = start("model", &[]);
    let metric = start("metric", &["--logs", logs.to_str().unwrap()]);
    model.ready().await;
    metric.ready().await;
    hostile::attack(&broker, &services, (model, metric)).await;
}

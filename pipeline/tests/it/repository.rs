//! Holds the repository's own files to what they say of each other.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use shared::transport::Queues;
use shared::transport::administration::{Rights, rights};

use crate::processes::{programs, repository};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for package in
        ["shared", "evaluation", "features", "model", "metric", "lambda", "pipeline", "bench", "fuzz"]
    {
        sources(&repository(package), &mut found);
    }
    found
}

#[test]
fn every_source_file_opens_with_what_it_is() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("//! "), "{} does not open with //!", path.display());
    }
}

#[test]
fn only_the_transport_knows_the_client_library() {
    for path in all_sources() {
        let shown = path.to_string_lossy().replace('\\', "/");
        let may = ["transport/amqp/", "/tests/", "/bench/", "/fuzz/"].iter().any(|part| shown.contains(part));
        let text = fs::read_to_string(&path).unwrap();
        assert!(may || !text.contains("lapin::"), "{shown} uses lapin");
    }
}

/// What needs Python's libraries is left out by `scripts/test`, and must not be forgotten by `scripts/test --peers`.
#[test]
fn every_test_that_needs_peers_is_run_with_them() {
    let script = fs::read_to_string(repository("scripts/test")).unwrap();
    let (_, peers) = script.split_once("if [[ $peers ]]; then\n    say \"building\"").unwrap();
    let (peers, _) = peers.split_once("elif").unwrap();
    let needs = |text: &str| {
        ["TEST_PYTHON", "FOREIGN_MODELS", "TABLES"].iter().any(|name| text.contains(&format!("(\"{name}\")")))
    };
    let mut count = 0;
    for path in all_sources().iter().filter(|path| path.to_string_lossy().contains("/tests/")) {
        if needs(&fs::read_to_string(path).unwrap()) {
            let name = path.file_stem().unwrap().to_str().unwrap();
            // Of this one, only the tests whose names begin so.
            let name = if name == "swaps" { "onnx_" } else { name };
            assert!(peers.contains(name), "{} is not in scripts/test --peers", path.display());
            count += 1;
        }
    }
    assert_eq!(count, 6, "files that need peers");
}

/// Names in capitals that stand before `delimiter` at the start of a line.
fn variables(text: &str, delimiter: char) -> BTreeSet<String> {
    let names =
        text.lines().filter_map(|line| line.trim().split_once(delimiter)).map(|(name, _)| name.trim());
    let is_variable = |name: &&str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
    };
    names.filter(is_variable).map(str::to_owned).collect()
}

#[test]
fn every_variable_in_compose_is_a_flag_of_ours_or_of_the_broker() {
    let compose = fs::read_to_string(repository("docker-compose.yml")).unwrap();
    let help = |program: &&str| Command::new(programs().join(program)).arg("--help").output().unwrap().stdout;
    let helps: Vec<u8> = ["features", "model", "metric"].iter().flat_map(help).collect();
    let helps = String::from_utf8(helps).unwrap();
    let short = fs::read_to_string(repository("shared/src/cli/short.rs")).unwrap();
    for name in variables(&compose, ':') {
        let shown = |end| helps.contains(&format!("[env: {name}{end}"));
        let flag = shown("=") || shown("]") || short.contains(&format!("(\"{name}\","));
        // RabbitMQ's own, Grafana's, and those of OpenTelemetry that docs/traces.md names.
        let of_others = ["RABBITMQ_", "GF_", "OTEL_EXPORTER_OTLP_"]
            .iter()
            .any(|begin| name.starts_with(begin))
            || ["OTEL_RESOURCE_ATTRIBUTES", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"].contains(&&*name);
        assert!(flag || of_others, "docker-compose.yml sets {name}, which nothing reads");
    }
}

#[test]
fn the_documented_rights_are_those_that_are_printed() {
    let page = fs::read_to_string(repository("docs/operation.md")).unwrap();
    for Rights { user, configure, write, read } in rights(&Queues::default()) {
        let cell = |text: &str| format!("`{}`", text.replace('|', r"\|"));
        let user = format!("`{user}`");
        let wanted = if write == configure {
            format!("{} | the same | the same", cell(&configure))
        } else {
            [configure, write, read].map(|text| cell(&text)).join(" | ")
        };
        let row = page.lines().find(|line| line.contains(&user) && line.ends_with(&format!("| {wanted} |")));
        assert!(row.is_some(), "docs/operation.md has no row for {user}: {wanted}");
    }
}

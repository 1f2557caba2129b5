//! The flags that documents name.

use std::collections::BTreeSet;

use clap::Command;

use crate::reference::programs;
use crate::{Document, repository};

/// Flags of other programs that the documents show, and whose they are.
const OTHERS: [(&str, &str); 32] = [
    ("--advertise-addr", "docker swarm init"),
    ("--aws-sigv4", "curl"),
    ("--build", "docker compose up"),
    ("--cli-binary-format", "aws lambda invoke"),
    ("--compiler", "cargo lambda build"),
    ("--compose-file", "docker stack deploy"),
    ("--profile", "docker compose"),
    ("--dry-run", "kubectl create"),
    ("--data-binary", "curl"),
    ("--data-file", "cargo lambda invoke"),
    ("--features", "cargo; model convert has it too"),
    ("--from-file", "kubectl create configmap"),
    ("--function-name", "aws lambda invoke"),
    ("--guided", "sam deploy"),
    ("--ignore-changes", "cargo lambda watch"),
    ("--label-add", "docker node update"),
    ("--live", "scripts/check-monitoring"),
    ("--output-format", "cargo lambda build"),
    ("--payload", "aws lambda invoke"),
    ("--name", "examples/python/challenge.py"),
    ("--peers", "scripts/test"),
    ("--pictures", "pipeline/tests/python/page.py"),
    ("--release", "cargo"),
    ("--rm", "docker compose run"),
    ("--rounds", "bench"),
    ("--server-side", "kubectl apply"),
    ("--test", "cargo test"),
    ("--together", "examples/python/send_rows.py"),
    ("--url", "examples/python"),
    ("--user", "docker compose run"),
    ("--volumes", "docker compose down"),
    ("--workspace", "cargo"),
];

/// The flags in a text: two dashes and a name, where a word begins.
fn flags(text: &str) -> impl Iterator<Item = &str> {
    let begins =
        |at: usize| !text[..at].ends_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/'));
    text.match_indices("--").filter(move |(at, _)| begins(*at)).filter_map(|(at, _)| {
        let rest = &text[at..];
        let end = rest[2..]
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .map_or(rest.len(), |end| end + 2);
        let flag = rest[..end].trim_end_matches('-');
        (flag.len() > 3).then_some(flag)
    })
}

/// All flags of a program and of its commands.
fn collect(command: &Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(|arg| arg.get_long()).map(|long| format!("--{long}")));
    command.get_subcommands().for_each(|command| collect(command, found));
}

#[test]
fn every_flag_in_a_document_is_one_of_a_program() {
    let mut known = BTreeSet::new();
    programs().iter().for_each(|program| collect(program, &mut known));
    known.extend(OTHERS.map(|(flag, _)| flag.to_owned()));
    // What the benchmark and older versions had is told there.
    let apart = ["bench/README.md", "CHANGELOG.md", "pipeline/tests/README.md"].map(repository);
    let mut documents = Document::all();
    documents.retain(|document| !apart.contains(&repository(&document.path)));
    let deployed = ["deploy/swarm/stack.yml", "deploy/cluster/docker-compose.yml"];
    documents.extend(["docker-compose.yml", ".env"].into_iter().chain(deployed).map(Document::read));
    let (mut count, mut unknown) = (0, Vec::new());
    for document in &documents {
        for (number, line) in (1..).zip(document.text.lines()) {
            for flag in flags(line) {
                count += 1;
                if !known.contains(flag) {
                    unknown.push(format!("{}:{number}: {flag}", document.path.display()));
                }
            }
        }
    }
    assert!(unknown.is_empty(), "no program has these flags:\n{}", unknown.join("\n"));
    assert!(count > 100, "only {count} flags were found");
    for (flag, whose) in OTHERS {
        let is_shown = documents.iter().any(|document| flags(&document.text).any(|found| found == flag));
        assert!(is_shown, "no document shows {flag} of {whose} any more");
    }
}

#[test]
fn flags_are_found_where_words_begin() {
    let found: Vec<&str> =
        flags("`--rate` (--data=a, --x-y) a--b ---- -- --no-labels. <!-- note -->").collect();
    assert_eq!(found, ["--rate", "--data", "--x-y", "--no-labels"]);
}

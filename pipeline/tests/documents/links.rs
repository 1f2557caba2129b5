//! Links and paths in the documents.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use crate::{Document, repository};

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document; of headings that are alike, the later ones are numbered.
fn anchors(document: &Document) -> BTreeSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = document.prose().filter_map(|(_, line)| {
        let text = line.trim_start_matches('#');
        (text.len() < line.len() && text.starts_with(' ')).then(|| slug(text))
    });
    let mut numbered = |slug: String| {
        let count = seen.entry(slug.clone()).or_default();
        *count += 1;
        if *count == 1 { slug } else { format!("{slug}-{}", *count - 1) }
    };
    headings.map(&mut numbered).collect()
}

/// The targets of a line's links.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// What a line has in backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

fn broken_links(document: &Document, count: &mut usize) -> Vec<String> {
    let mut broken = Vec::new();
    for (number, line) in document.prose() {
        for link in links(line).filter(|link| !link.contains("://")) {
            *count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = document.path.parent().unwrap().join(file);
            let leads = match (file, anchor) {
                ("", anchor) => anchors(document).contains(anchor),
                (_, "") => repository(&target).exists(),
                (_, anchor) => {
                    repository(&target).is_file() && anchors(&Document::read(&target)).contains(anchor)
                }
            };
            if !leads {
                broken.push(format!("{}:{number}: {link}", document.path.display()));
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut count = 0;
    let broken: Vec<String> =
        Document::all().iter().flat_map(|document| broken_links(document, &mut count)).collect();
    assert!(broken.is_empty(), "these lead nowhere:\n{}", broken.join("\n"));
    assert!(count > 20, "only {count} links were found");
}

#[test]
fn a_link_to_nowhere_is_found() {
    let text = "# One (`a`)\n\n[a](#one-a) [b](#one) [c](../README.md) [d](../README.md#none) [e](f.md)\n\
                ```\n[g](g.md)\n```\n";
    let document = Document { path: "docs/test.md".into(), text: text.to_owned() };
    let broken = broken_links(&document, &mut 0);
    assert_eq!(broken, ["docs/test.md:3: #one", "docs/test.md:3: ../README.md#none", "docs/test.md:3: f.md"]);
}

/// The folders at the root that hold what documents speak of.
const FOLDERS: [&str; 15] = [
    ".ci/",
    "bench/",
    "data/",
    "deploy/",
    "docs/",
    "examples/",
    "features/",
    "fuzz/",
    "lambda/",
    "metric/",
    "model/",
    "pipeline/",
    "scripts/",
    "shared/",
    "evaluation/",
];
/// The ends of names that are paths also without a folder of the root before them.
const ENDS: [&str; 5] = [".md", ".rs", ".py", ".sql", ".toml"];
/// What looks like a path of the repository and is not: from the exercise, or from other programs.
const NOT_OURS: [(&str, &str); 4] = [
    ("features.py", "the exercise's"),
    ("model.py", "the exercise's"),
    ("metric.py", "the exercise's"),
    ("plot.py", "the exercise's"),
];

fn looks_like_a_path(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    text.chars().all(plain)
        && NOT_OURS.iter().all(|(name, _)| *name != text)
        && (FOLDERS.iter().any(|folder| text.starts_with(folder))
            || ENDS.iter().any(|end| text.ends_with(end)))
}

/// Whether a path is there: from the root, from the document's folder, or in the sources of a package.
fn is_there(path: &str, document: &Path, sources: &BTreeSet<String>) -> bool {
    let beside = document.parent().unwrap().join(path);
    let tail = format!("/{path}");
    repository(path).exists()
        || repository(beside).exists()
        || sources.iter().any(|source| source.ends_with(&tail))
}

fn add_sources(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            add_sources(&path, found);
        }
        found.insert(path.to_string_lossy().into_owned());
    }
}

#[test]
fn every_path_in_backticks_is_there() {
    let mut sources = BTreeSet::new();
    for package in ["shared", "evaluation", "features", "model", "metric", "pipeline", "bench"] {
        add_sources(&repository(package), &mut sources);
    }
    add_sources(&repository("scripts"), &mut sources);
    let mut count = 0;
    let mut missing = Vec::new();
    for document in Document::all() {
        for (number, line) in document.prose() {
            for path in quoted(line).filter(|text| looks_like_a_path(text)) {
                count += 1;
                if !is_there(path, &document.path, &sources) {
                    missing.push(format!("{}:{number}: {path}", document.path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "these are not there:\n{}", missing.join("\n"));
    assert!(count > 30, "only {count} paths were found");
    assert!(!is_there("shared/src/nothing.rs", Path::new("README.md"), &sources));
}

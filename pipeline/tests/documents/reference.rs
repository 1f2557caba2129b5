//! The reference of flags, as the programs know them.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs;

use clap::{Arg, ArgAction, Command};
use shared::cli::with_variables;

use crate::repository;

const PAGE: &str = "docs/flags.md";
/// What is between these lines is made from the programs.
const BEGIN: &str = "<!-- Made by `UPDATE=1 cargo test -p pipeline --test documents`. -->";
const END: &str = "<!-- End of what is made. -->";
/// The groups of flags that all programs have alike.
const COMMON: [&str; 4] = ["RabbitMQ", "Queues", "Service", "Log"];
/// How flags that are in no group of their own are called.
const OWN: &str = "Options";

/// All programs, as `--help` shows them.
pub(crate) fn programs() -> Vec<Command> {
    let all = [
        features::cli::command(),
        model::cli::command(),
        metric::cli::command(),
        pipeline::cli::command(),
        lambda::command(),
    ];
    all.map(|command| {
        let mut command = with_variables(command);
        command.build();
        command
    })
    .into()
}

/// A page cell: no line breaks, and no bars, which would end it.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// With a full stop, which clap takes off.
fn sentence(text: &str) -> String {
    if text.is_empty() || text.ends_with('.') { text.to_owned() } else { format!("{text}.") }
}

/// What a flag's help says, and the default that it tells in words.
fn help(arg: &Arg) -> (String, Option<String>) {
    let long = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
    let text = cell(&long);
    match text.split_once("[default: ") {
        Some((text, rest)) => {
            let (default, after) = rest.split_once(']').unwrap();
            (sentence(&format!("{}{after}", text.trim_end())), Some(default.to_owned()))
        }
        None => (sentence(&text), None),
    }
}

fn is_switch(arg: &Arg) -> bool {
    matches!(arg.get_action(), ArgAction::SetTrue)
}

/// A line of the table.
fn row(arg: &Arg) -> String {
    let value =
        arg.get_value_names().into_iter().flatten().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let name = match arg.get_long() {
        Some(long) if is_switch(arg) => format!("`--{long}`"),
        Some(long) => format!("`--{long} {value}`"),
        None => format!("`{value}`"),
    };
    let variable = arg.get_env().map_or(String::new(), |name| format!("`{}`", name.to_string_lossy()));
    let (mut meaning, told) = help(arg);
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|_| !is_switch(arg))
        .map(|value| {
            let help = value.get_help().map(|help| cell(&help.to_string()));
            let help = help.map_or(String::new(), |help| format!(" ({})", help.trim_end_matches('.')));
            format!("`{}`{help}", value.get_name())
        })
        .collect();
    if !values.is_empty() {
        _ = write!(meaning, " One of {}.", values.join(", "));
    }
    let defaults: Vec<String> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    let default = match told {
        Some(told) => told,
        None if is_switch(arg) => "off".to_owned(),
        None if defaults.is_empty() => if arg.is_required_set() { "required" } else { "none" }.to_owned(),
        None => defaults.join(", "),
    };
    format!("| {} | {variable} | {} | {meaning} |\n", cell(&name), cell(&default))
}

/// Tables by group, in the order in which the groups come.
fn groups(command: &Command) -> Vec<(String, String)> {
    let mut order: Vec<String> = Vec::new();
    let mut rows: BTreeMap<String, String> = BTreeMap::new();
    let of_ours = |arg: &&Arg| !arg.is_hide_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    for arg in command.get_arguments().filter(of_ours) {
        let heading = arg.get_help_heading().unwrap_or(OWN).to_owned();
        if !order.contains(&heading) {
            order.push(heading.clone());
        }
        rows.entry(heading).or_default().push_str(&row(arg));
    }
    order.into_iter().filter_map(|heading| rows.remove(&heading).map(|rows| (heading, rows))).collect()
}

fn table(rows: &str) -> String {
    format!("| flag | variable | default | meaning |\n|---|---|---|---|\n{rows}\n")
}

/// A program's part of the page, with its commands.
fn section(name: &str, command: &Command, common: &BTreeMap<String, String>) -> String {
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    let mut text =
        format!("## `{name}`\n\n{}\n\n", sentence(&cell(&about.unwrap_or_default())).replace(". ", ".\n"));
    let mut also = Vec::new();
    for (heading, rows) in groups(command) {
        if common.get(&heading) == Some(&rows) {
            also.push(format!("[{heading}](#{})", heading.to_lowercase()));
            continue;
        }
        if heading != OWN {
            _ = write!(text, "{heading}:\n\n");
        }
        text += &table(&rows);
    }
    if !also.is_empty() {
        _ = write!(text, "And those of {}.\n\n", also.join(", "));
    }
    for command in command.get_subcommands() {
        if !command.is_hide_set() && command.get_name() != "help" {
            text += &section(&format!("{name} {}", command.get_name()), command, common);
        }
    }
    text
}

fn reference() -> String {
    let programs = programs();
    let of_one = |program: &Command| {
        groups(program).into_iter().filter(|(heading, _)| COMMON.contains(&&**heading)).collect::<Vec<_>>()
    };
    let common: BTreeMap<String, String> = of_one(&programs[0]).into_iter().collect();
    let mut text = String::new();
    for program in &programs {
        // The function is no service: Lambda starts and stops it.
        let wanted = COMMON.len() - usize::from(program.get_name() == "bootstrap");
        assert_eq!(of_one(program).len(), wanted, "{} lacks a common group", program.get_name());
        text += &section(program.get_name(), program, &common);
    }
    for heading in COMMON {
        _ = write!(text, "## {heading}\n\nFlags of every program that names this group above.\n\n");
        text += &table(&common[heading]);
    }
    text
}

#[test]
fn the_reference_of_flags_is_what_the_programs_have() {
    let page = fs::read_to_string(repository(PAGE)).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let made = format!("{before}{BEGIN}\n\n{}{END}{after}", reference());
    if env::var_os("UPDATE").is_some_and(|update| !update.is_empty()) {
        fs::write(repository(PAGE), &made).unwrap();
        return;
    }
    let differs = made.lines().zip(page.lines()).find(|(made, there)| made != there);
    assert!(
        made == page,
        "{PAGE} is not what the programs have, {}; write it anew with UPDATE=1 cargo test -p pipeline --test documents",
        differs
            .map_or("at its end".to_owned(), |(made, there)| format!("such as\n  {there}\nfor\n  {made}\n"))
    );
}

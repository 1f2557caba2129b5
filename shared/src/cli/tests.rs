//! Tables of flags and variables against each other.

use clap::{Args, CommandFactory as _, FromArgMatches as _, Subcommand};

use super::*;

#[derive(Parser, Debug, PartialEq)]
#[command(name = "program", args_conflicts_with_subcommands = true)]
struct Program {
    #[command(subcommand)]
    command: Option<Sub>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Args, Debug, PartialEq)]
struct Flags {
    #[arg(long, default_value = "target")]
    target: String,
    #[arg(long, value_delimiter = ',')]
    drop: Vec<String>,
    #[arg(long, conflicts_with = "rate")]
    interval: Option<u64>,
    #[arg(long)]
    rate: Option<f64>,
    #[arg(long)]
    count: Option<u64>,
    #[arg(long)]
    strict: bool,
    #[arg(long, conflicts_with = "amqp_password_file")]
    amqp_password: Option<String>,
    #[arg(long)]
    amqp_password_file: Option<String>,
    #[arg(long, default_value = "info")]
    log: String,
    #[arg(long)]
    new_flag: Option<i64>,
}

#[derive(Subcommand, Debug, PartialEq)]
enum Sub {
    /// Has a seed that never had a variable, and a target that had one.
    Train {
        file: String,
        #[arg(long)]
        seed: Option<u64>,
        #[arg(long)]
        target: Option<String>,
    },
}

/// What comes of a command line and variables, both as in a shell.
fn run(line: &str, variables: &[(&str, &str)]) -> (Result<Program, String>, Vec<String>, Vec<String>) {
    let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let read = read(&Program::command(), &args, |name| {
        variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).into())
    });
    let program = read.matches.and_then(|matches| Program::from_arg_matches(&matches));
    (program.map_err(|why| why.to_string()), read.words, read.blamed)
}

/// The flags that come of a command line and variables without a word.
#[track_caller]
fn flags(line: &str, variables: &[(&str, &str)]) -> Flags {
    let (program, words, blamed) = run(line, variables);
    assert_eq!((words, blamed), (vec![], vec![]), "{line} {variables:?}");
    program.unwrap().flags
}

#[test]
fn every_flag_has_its_variable() {
    for (long, name) in [
        ("count", "PIPELINE_COUNT"),
        ("label-delay", "PIPELINE_LABEL_DELAY"),
        ("amqp-url", "AMQP_URL"),
        ("amqp-ca-file", "AMQP_CA_FILE"),
        ("log", "RUST_LOG"),
        ("log-format", "PIPELINE_LOG_FORMAT"),
    ] {
        assert_eq!(variable(long), name);
    }
}

#[test]
fn a_variable_stands_for_its_flag() {
    let nothing = flags("program", &[]);
    assert_eq!(flags("program", &[("PIPELINE_COUNT", ""), ("RATE", ""), ("PIPELINE_DROP", "")]), nothing);
    assert_eq!(flags("program", &[("PIPELINE_COUNT", "3")]).count, Some(3));
    assert_eq!(flags("program", &[("PIPELINE_NEW_FLAG", "-3")]).new_flag, Some(-3));
    assert_eq!(flags("program", &[("PIPELINE_DROP", "a,b c")]).drop, ["a", "b c"]);
    assert_eq!(flags("program", &[("RUST_LOG", "debug")]).log, "debug");
    assert_eq!(flags("program", &[("AMQP_PASSWORD", "a=b --x")]).amqp_password.as_deref(), Some("a=b --x"));
    for (value, on) in
        [("true", true), ("1", true), ("yes", true), ("false", false), ("0", false), ("", false)]
    {
        assert_eq!(flags("program", &[("PIPELINE_STRICT", value)]).strict, on, "{value}");
    }
    // What never had a variable without a prefix has none now.
    assert_eq!(flags("program", &[("NEW_FLAG", "3"), ("LOG", "debug")]), nothing);
}

#[test]
fn a_flag_goes_before_a_variable_of_its_own_and_of_what_it_excludes() {
    let both = [("PIPELINE_RATE", "100"), ("PIPELINE_COUNT", "3"), ("AMQP_PASSWORD", "x"), ("INTERVAL", "7")];
    let found = flags("program --interval 2 --count=4 --amqp-password-file f", &both);
    assert_eq!((found.interval, found.rate, found.count), (Some(2), None, Some(4)));
    assert_eq!((found.amqp_password, found.amqp_password_file.as_deref()), (None, Some("f")));
    let found = flags("program --rate 5", &[("PIPELINE_INTERVAL", "7"), ("PIPELINE_TARGET", "price")]);
    assert_eq!((found.interval, found.rate, found.target.as_str()), (None, Some(5.0), "price"));
    // A new name goes before an old one in the same way.
    assert_eq!(flags("program", &[("PIPELINE_RATE", "5"), ("INTERVAL", "7"), ("RATE", "9")]).rate, Some(5.0));
}

#[test]
fn a_command_has_the_variables_of_its_own_flags() {
    let set = [("PIPELINE_SEED", "7"), ("PIPELINE_COUNT", "3"), ("SEED", "9"), ("PIPELINE_TARGET", "price")];
    let (program, words, _) = run("program train rows.csv", &set);
    let train = Sub::Train { file: "rows.csv".to_owned(), seed: Some(7), target: Some("price".to_owned()) };
    assert_eq!((program.unwrap().command, words), (Some(train), vec![]));
    let train = Sub::Train { file: "x".to_owned(), seed: None, target: None };
    assert_eq!(run("program train x", &[("SEED", "9"), ("COUNT", "x")]).0.unwrap().command, Some(train));
}

#[test]
fn an_old_name_is_read_with_a_word() {
    let (program, words, _) = run("program", &[("TARGET", "price"), ("DROP_COLUMNS", "a")]);
    let found = program.unwrap().flags;
    assert_eq!((found.target.as_str(), found.drop), ("price", vec!["a".to_owned()]));
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(words[0].starts_with("--target comes from the variable TARGET, for the last time"), "{words:?}");
    assert!(words[1].contains("DROP_COLUMNS") && words[1].contains("PIPELINE_DROP"), "{words:?}");
    // A shell that builds for another machine is not asking for a column.
    let (program, words, _) = run("program", &[("TARGET", "x86_64-unknown-linux-gnu")]);
    assert_eq!(program.unwrap().flags.target, "target");
    assert_eq!(words.len(), 1);
    assert!(words[0].contains("is not used") && words[0].contains("PIPELINE_TARGET"), "{words:?}");
    assert_eq!(run("program", &[("TARGET", "price-per-night")]).0.unwrap().flags.target, "price-per-night");
}

#[test]
fn an_error_names_the_variable_that_it_comes_from() {
    for (line, variables, blamed) in [
        ("program", &[("COUNT", "ten")][..], &["--count comes from the variable COUNT"][..]),
        ("program", &[("PIPELINE_COUNT", "ten")], &["--count comes from the variable PIPELINE_COUNT"]),
        ("program", &[("PIPELINE_STRICT", "perhaps")], &["--strict comes from the variable PIPELINE_STRICT"]),
        (
            "program",
            &[("PIPELINE_RATE", "1"), ("PIPELINE_INTERVAL", "1")],
            &[
                "--interval comes from the variable PIPELINE_INTERVAL",
                "--rate comes from the variable PIPELINE_RATE",
            ],
        ),
        ("program --count ten", &[("PIPELINE_COUNT", "3"), ("PIPELINE_RATE", "1")], &[]),
        ("program --unknown", &[("PIPELINE_RATE", "1")], &[]),
    ] {
        let (program, _, told) = run(line, variables);
        assert!(program.is_err(), "{line} {variables:?}");
        assert_eq!(told.len(), blamed.len(), "{line} {variables:?}: {told:?}");
        for (told, blamed) in told.iter().zip(blamed) {
            assert!(told.starts_with(blamed), "{told}");
        }
    }
}

#[test]
fn help_shows_the_variables() {
    let help = run("program --help", &[("PIPELINE_COUNT", "ten")]).0.unwrap_err();
    for name in
        ["[env: PIPELINE_COUNT=", "[env: PIPELINE_NEW_FLAG=", "[env: RUST_LOG=", "[env: AMQP_PASSWORD="]
    {
        assert!(help.contains(name), "{name}: {help}");
    }
    let help = run("program train --help", &[]).0.unwrap_err();
    assert!(help.contains("[env: PIPELINE_SEED="), "{help}");
}

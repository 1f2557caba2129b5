//! The one way in which every program reads its command line: flags first, then the environment.
//!
//! Each flag `--some-name` has the variable `PIPELINE_SOME_NAME`; those of the broker's client, the log and the traces keep the
//! names that their own worlds gave them. An empty variable counts as none. A flag goes before a variable, also before
//! that of a flag which it excludes.

mod short;

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::process;

use clap::builder::{BoolishValueParser, TypedValueParser as _};
use clap::error::{ContextValue, Error};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

/// Reads flags and environment of this process. What cannot be read, and what `--help` and `--version` ask for, is
/// printed, and the process ends.
#[must_use]
pub fn parse<P: Parser>() -> P {
    let args: Vec<OsString> = env::args_os().collect();
    let read = read(&P::command(), &args, |name| env::var_os(name));
    for word in &read.words {
        eprintln!("{word}");
    }
    read.matches.and_then(|matches| P::from_arg_matches(&matches)).unwrap_or_else(|why| {
        _ = why.print();
        for blamed in &read.blamed {
            eprintln!("\n{blamed}");
        }
        process::exit(why.exit_code())
    })
}

/// The variable of a flag.
#[must_use]
pub fn variable(long: &str) -> String {
    let name = long.to_ascii_uppercase().replace('-', "_");
    match name.as_str() {
        "LOG" => "RUST_LOG".to_owned(),
        "OTLP_ENDPOINT" => "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
        "TRACE_SHARE" => "OTEL_TRACES_SAMPLER_ARG".to_owned(),
        amqp if amqp.starts_with("AMQP_") => name,
        _ => format!("PIPELINE_{name}"),
    }
}

/// What a command line and an environment come to.
struct Read {
    matches: Result<ArgMatches, Error>,
    /// What is to be said of the environment, a line each.
    words: Vec<String>,
    /// Which variables the error in `matches` is about, a line each.
    blamed: Vec<String>,
}

/// A variable that stands for a flag.
struct Given<'a> {
    arg: &'a Arg,
    long: &'a str,
    variable: String,
    value: OsString,
}

fn read(command: &Command, args: &[OsString], environment: impl Fn(&str) -> Option<OsString>) -> Read {
    // Tells what is on the command line itself. Errors wait for the second time, when everything is there.
    let flags = match with_variables(command.clone()).ignore_errors(true).try_get_matches_from(args) {
        Ok(flags) => flags,
        Err(shown) => return Read { matches: Err(shown), words: Vec::new(), blamed: Vec::new() },
    };
    let mut built = command.clone();
    built.build();
    let (mut chosen, mut found, mut path) = (&built, &flags, Vec::new());
    while let Some((name, under)) = found.subcommand()
        && let Some(next) = chosen.find_subcommand(name)
    {
        (chosen, found) = (next, under);
        path.push(name);
    }
    let flags = chosen.get_arguments().filter(|arg| is_on_command_line(arg, found)).collect();
    let (given, words) = given(chosen, path.last().copied(), flags, environment);
    // Behind the command and before its own flags, where it makes no difference to what follows.
    let behind = args.len().min(1 + path.len());
    let as_flags: Result<Vec<_>, _> = given.iter().map(|given| given.as_flag(chosen)).collect();
    let matches = as_flags.and_then(|flags| {
        let (before, after) = args.split_at(behind);
        let all = before.iter().cloned().chain(flags.into_iter().flatten()).chain(after.iter().cloned());
        command.clone().try_get_matches_from(all)
    });
    let blamed = match &matches {
        Ok(_) => Vec::new(),
        Err(why) => {
            given.iter().filter(|given| is_about(why, given.long)).map(|given| given.to_string()).collect()
        }
    };
    Read { matches, words, blamed }
}

/// The variables that stand for flags of a command, called `name` where it is not the program itself, and what is to be
/// said of them. Flags go before variables, new names before old ones; within one of these, what excludes each other is an
/// error as ever.
fn given<'a>(
    command: &'a Command,
    name: Option<&str>,
    mut taken: Vec<&'a Arg>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> (Vec<Given<'a>>, Vec<String>) {
    let (mut all, mut words) = (Vec::new(), Vec::new());
    for old in [false, true] {
        let before = taken.clone();
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long().filter(|long| has_variable(name, long)) else { continue };
            if before.iter().any(|taken| exclude(command, taken, arg)) {
                continue;
            }
            let variable =
                if old { short::variable(name, long).map(str::to_owned) } else { Some(variable(long)) };
            let Some(variable) = variable else { continue };
            let Some(value) = environment(&variable).filter(|value| !value.is_empty()) else { continue };
            if old {
                let not_meant = short::not_meant(&variable, &value);
                let is_meant = not_meant.is_none();
                words.push(not_meant.unwrap_or_else(|| short::word(&variable, long)));
                if !is_meant {
                    continue;
                }
            }
            taken.push(arg);
            all.push(Given { arg, long, variable, value });
        }
    }
    (all, words)
}

impl Given<'_> {
    /// The flag, as it would stand on the command line; none for a switch that is off.
    fn as_flag(&self, command: &Command) -> Result<Option<OsString>, Error> {
        let mut flag = OsString::from(format!("--{}", self.long));
        if matches!(self.arg.get_action(), ArgAction::SetTrue) {
            let on = BoolishValueParser::new().parse_ref(command, Some(self.arg), &self.value)?;
            return Ok(on.then_some(flag));
        }
        flag.push("=");
        flag.push(&self.value);
        Ok(Some(flag))
    }
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { long, variable, .. } = self;
        write!(f, "--{long} comes from the variable {variable}: change or unset it, or give --{long} itself")
    }
}

/// The same program with each flag's variable, as `--help` shows it.
#[must_use]
pub fn with_variables(command: Command) -> Command {
    let of = command.get_name().to_owned();
    let with = |arg: Arg| match arg.get_long().filter(|long| has_variable(Some(&of), long)).map(variable) {
        Some(name) => arg.env(name),
        None => arg,
    };
    command.mut_args(with).mut_subcommands(with_variables)
}

/// Whether a flag of a command has a variable. Not what is clap's own; not what removes something, which is to be said each
/// time; not what is called as a service's flag and means another thing.
fn has_variable(command: Option<&str>, long: &str) -> bool {
    let chooses_letters = matches!(
        (command, long),
        (
            Some("list" | "show" | "requeue" | "export" | "import" | "purge"),
            "reason" | "id" | "older-than" | "first" | "limit" | "rate" | "dry-run" | "to" | "yes"
        )
    );
    !chooses_letters
        && !matches!(
            (command, long),
            (_, "help" | "version") | (Some("topology"), "delete" | "force") | (Some("export"), "model")
        )
}

fn is_on_command_line(arg: &Arg, matches: &ArgMatches) -> bool {
    matches.try_contains_id(arg.get_id().as_str()).is_ok()
        && matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
}

/// Whether one of two flags takes the place of the other.
fn exclude(command: &Command, one: &Arg, other: &Arg) -> bool {
    let conflicts = |one: &Arg, other: &Arg| {
        command.get_arg_conflicts_with(one).iter().any(|arg| arg.get_id() == other.get_id())
    };
    one.get_id() == other.get_id() || conflicts(one, other) || conflicts(other, one)
}

/// Whether an error is about this flag.
fn is_about(why: &Error, long: &str) -> bool {
    let is_it = |text: &String| {
        text.strip_prefix("--").is_some_and(|rest| rest.split([' ', '=']).next() == Some(long))
    };
    why.context().any(|(_, value)| match value {
        ContextValue::String(text) => is_it(text),
        ContextValue::Strings(texts) => texts.iter().any(is_it),
        _ => false,
    })
}

#[cfg(test)]
mod tests;

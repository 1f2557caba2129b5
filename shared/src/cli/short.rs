//! The names that variables had before they began with `PIPELINE_`. They are read in this version for the last time.

use std::ffi::OsStr;

/// Where a flag had a variable: the service itself has no command's name.
const SERVICE: &str = "";
const CONNECTED: &[&str] = &[SERVICE, "topology"];
const RECORDS: &[&str] = &[SERVICE, "status", "export", "rebuild"];

/// Variable, flag, and the commands that read it.
const NAMES: [(&str, &str, &[&str]); 28] = [
    ("ADMIN_ADDR", "admin-addr", &[SERVICE, "healthcheck"]),
    ("BODY", "body", &[SERVICE]),
    ("COUNT", "count", &[SERVICE]),
    ("DATA", "data", &[SERVICE, "train"]),
    ("DROP_COLUMNS", "drop", &[SERVICE, "train"]),
    ("EXERCISE", "exercise", CONNECTED),
    ("FEATURES_QUEUE", "features-queue", CONNECTED),
    ("FEATURE_NAMES", "feature-names", &[SERVICE]),
    ("ID_COLUMN", "id", &[SERVICE, "train"]),
    ("INTERVAL", "interval", &[SERVICE]),
    ("LABELS_QUEUE", "labels-queue", CONNECTED),
    ("LABEL_DELAY", "label-delay", &[SERVICE]),
    ("LABEL_HORIZON", "label-horizon", &[SERVICE]),
    ("LEDGER", "ledger", &[SERVICE]),
    ("LOGS", "logs", RECORDS),
    ("LOG_FORMAT", "log-format", &[SERVICE]),
    ("MODEL", "model", &[SERVICE, "train"]),
    ("MODEL_NAME", "model-name", &[SERVICE]),
    ("ORDER", "order", &[SERVICE]),
    ("PREDICTIONS_QUEUE", "predictions-queue", CONNECTED),
    ("QUEUE_KIND", "queue-kind", CONNECTED),
    ("RATE", "rate", &[SERVICE]),
    ("RETAIN", "retain", &[SERVICE]),
    ("RUN_AS_OWNER_OF", "run-as-owner-of", &[SERVICE]),
    ("SEED", "seed", &[SERVICE]),
    ("STRICT", "strict", &[SERVICE]),
    ("TARGET", "target", &[SERVICE, "train"]),
    ("TRANSPORT", "transport", &[SERVICE]),
];

/// How the names of the machines begin for which compilers make programs: a shell that builds for another machine has
/// one in `TARGET`.
const MACHINES: [&str; 11] =
    ["x86_64", "i586", "i686", "aarch64", "arm", "thumb", "riscv", "powerpc", "s390x", "wasm", "loongarch"];

/// The old variable of a flag of this command, none being the service itself.
pub(super) fn variable(command: Option<&str>, long: &str) -> Option<&'static str> {
    let here = command.unwrap_or(SERVICE);
    NAMES
        .iter()
        .find(|(_, flag, commands)| *flag == long && commands.contains(&here))
        .map(|(variable, ..)| *variable)
}

/// What is said of a variable that is read by its old name.
pub(super) fn word(variable: &str, long: &str) -> String {
    format!(
        "--{long} comes from the variable {variable}, for the last time: from the next version on it is {}. If it is \
         another program's, unset it or give --{long}",
        super::variable(long)
    )
}

/// Why a variable is left alone, where it is certainly another program's.
pub(super) fn not_meant(variable: &str, value: &OsStr) -> Option<String> {
    let value = value.to_str()?;
    let is_machine = variable == "TARGET"
        && value.split('-').count() >= 3
        && MACHINES.iter().any(|machine| value.starts_with(machine));
    is_machine.then(|| {
        format!("the variable {variable} is a compiler's ({value}) and is not used; --target or PIPELINE_TARGET names the column")
    })
}

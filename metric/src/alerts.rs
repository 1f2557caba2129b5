//! `metric alerts`: rules and their webhook, tried before they are needed.

use clap::{Args, Subcommand};
use evaluation::alert::Rule;

use crate::evaluation_options::RuleOptions;
use crate::webhook::{self, Alert, WebhookUrl};

/// Tries alert rules and where they are told.
#[derive(Args, Debug)]
pub(crate) struct Alerts {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Test(Test),
}

/// Reads the rules, and posts one alert to try, which begins and ends at once.
#[derive(Args, Debug)]
struct Test {
    #[command(flatten)]
    rules: RuleOptions,

    /// Where alerts are posted.
    #[arg(long, value_name = "URL", hide_env_values = true)]
    alert_webhook: Option<WebhookUrl>,
}

impl Alerts {
    /// Returns what was found.
    ///
    /// # Errors
    /// Rules that cannot be read, or a webhook that does not take the alert.
    pub(crate) fn run(&self, now: i64) -> anyhow::Result<String> {
        let Command::Test(Test { rules, alert_webhook }) = &self.command;
        let rules = rules.rules()?;
        anyhow::ensure!(
            !rules.is_empty() || alert_webhook.is_some(),
            "nothing to try; give rules with --alert or --alert-file, or a webhook with --alert-webhook"
        );
        let mut text = String::new();
        for rule in &rules {
            text += &format!("rule {rule}: fine\n");
        }
        if let Some(url) = alert_webhook {
            let rule = rules.first().map_or("mae > 60".to_owned(), Rule::to_string);
            let said = |what: &str| Some(format!("{rule} {what}: this is a test"));
            for alert in [
                Alert::firing(&rule, now, said("fires")),
                Alert::resolved(&rule, now, now, said("has ended")),
            ] {
                webhook::post(url, &alert.to_json()).map_err(|why| {
                    anyhow::anyhow!("the webhook {url} did not take the alert: {}", why.text)
                })?;
            }
            text += &format!("webhook {url}: took an alert that begins, and one that ends\n");
        }
        Ok(text)
    }
}
